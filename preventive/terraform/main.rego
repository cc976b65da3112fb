# What conftest asks for. It has nothing else, so that it sits beside other policies of the package.
package main

import rego.v1

import data.setup_keys

deny contains message if some message in setup_keys.denied

warn contains message if some message in setup_keys.doubts
