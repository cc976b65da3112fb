# No access key for a user who gets a console password, judged from the plan of Terraform: `terraform show -json`.
#
# Denied is a plan after which a user has a console password and an active access key, where the plan makes the key (or
# replaces or activates it), or gives a password to the holder of an active one. What was so before is for the Config rule.
# The user is told by its name or, where the name is known only after apply, by the `aws_iam_user` that is referred to.
#
# An exception is two tags on the user's `aws_iam_user`, as for the Config rule; `maxExceptionDays` is left to that.
package setup_keys

import rego.v1

owner_tag := "setup-keys:exception-owner"

expires_tag := "setup-keys:exception-expires"

denied contains message if {
	some [key, password] in brought_about
	some user in users_of(key) & users_of(password)
	not excepted(user)
	message := sprintf(
		concat(" ", [
			"%s would have a console password (%s) and an active access key (%s):",
			"keys made while a user is set up are seldom used, and leak.",
			"Remove the key and let its owner make one when it is needed, or have the workload assume a role.",
			"For an exception, tag the user with %s and %s (YYYY-MM-DD, not past).",
		]),
		[shown(user, key, password), password.address, key.address, owner_tag, expires_tag],
	)
}

# The name as it is written, where it is known.
shown(user, key, password) := planned(password).user if {
	planned(password).user
} else := planned(key).user if {
	planned(key).user
} else := name if {
	names := [planned(resource).name | some resource in users; identity(resource) == user]
	name := array.concat(names, [user])[0]
}

# HashiCorp asks to refuse what a later major version of the format would say.
denied contains message if {
	not startswith(input.format_version, "1.")
	message := sprintf("format_version %s of the plan is not known: expected 1.x", [input.format_version])
}

# Where the plan does not tell whose key it is, as with a local value that is known only after apply.
doubts contains message if {
	some [key, password] in brought_about
	some change in [key, password]
	count(users_of(change)) == 0
	message := sprintf(
		"cannot tell the user of %s from the plan, so not whether %s and %s are for the same: set `user` to the name of the user",
		[change.address, password.address, key.address],
	)
}

brought_about contains [key, password] if {
	some key in keys
	some password in passwords
	is_new(key, password)
}

is_new(key, _) if "create" in key.change.actions

is_new(key, _) if key.change.before.status == "Inactive"

# Not where the password is replaced: the user had one before.
is_new(_, password) if password.change.actions == ["create"]

keys contains change if {
	some change in input.resource_changes
	change.type == "aws_iam_access_key"
	object.get(planned(change), "status", "Active") != "Inactive"
}

passwords contains change if {
	some change in input.resource_changes
	change.type == "aws_iam_user_login_profile"
	planned(change)
}

users contains change if {
	some change in input.resource_changes
	change.type == "aws_iam_user"
}

# What is there after apply.
planned(change) := change.change.after if change.change.after != null

# No longer Terraform's, but still there.
planned(change) := change.change.before if change.change.actions == ["forget"]

users_of(change) := {lower(planned(change).user)} if {
	planned(change).user
} else := {identity(user) | some user in referred(change)}

# IAM has no two users whose names differ in case only.
identity(user) := lower(planned(user).name) if {
	planned(user).name
} else := user.address

# The instances of `aws_iam_user` that a credential may be for: those whose indexes are the credential's own or are written
# on the way to the user, as in `module.team["a"].user`; else all.
referred(change) := alike if {
	written := {index | some node in reached(change); some index in indexes(node)}
	alike := {user |
		some user in candidates(change)
		count((indexes(user.address) - indexes(change.address)) - written) == 0
	}
	count(alike) > 0
} else := candidates(change)

candidates(change) := {user | some user in users; declaration(user) in reached(change)}

excepted(user) if {
	some resource in users
	identity(resource) == user
	tags := object.union(tags_in(resource, "tags_all"), tags_in(resource, "tags"))
	trim_space(tags[owner_tag]) != ""
	time.parse_ns("2006-01-02", tags[expires_tag]) >= time.parse_ns("2006-01-02", today)
}

tags_in(resource, name) := planned(resource)[name] if {
	is_object(planned(resource)[name])
} else := {}

# The day of the plan (since Terraform 1.5), so that a plan is judged the same whenever it is.
today := substring(input.timestamp, 0, 10) if {
	input.timestamp
} else := time.format([time.now_ns(), "UTC", "2006-01-02"])

# An address has the index of the resource and those of its modules, as in `module.team["a"].aws_iam_user.this[0]`.
index_pattern := `\[(?:[0-9]+|"(?:[^"\\]|\\.)*")\]`

indexes(address) := {index | some index in regex.find_n(index_pattern, address, -1)}

without_indexes(address) := regex.replace(address, index_pattern, "")

# Where a resource is declared. Modules are without their indexes, as in the configuration.
declaration(change) := concat("", [scope(change), change.type, ".", change.name])

scope(change) := concat("", [without_indexes(change.module_address), "."]) if {
	change.module_address
} else := ""

# What the `user` of a credential refers to, through variables and outputs of modules and through other credentials.
reached(change) := graph.reachable(references, {declaration(change)})

references := {node: object.get(edges, node, set()) | some node in nodes}

nodes contains from if some from, _ in edges

nodes contains to if {
	some _, targets in edges
	some to in targets
}

# The modules of the configuration, by what their addresses begin with: "" for the root, "module.a.module.b." below it.
modules[prefix] := module if {
	walk(input.configuration.root_module, [path, module])
	count(path) % 3 == 0
	every i, step in path {
		is_step_to_module(i % 3, step)
	}
	names := [name | name := path[i]; i % 3 == 1]
	prefix := concat("", [concat("", ["module.", name, "."]) | some name in names])
}

is_step_to_module(0, step) if step == "module_calls"

is_step_to_module(1, _) := true

is_step_to_module(2, step) if step == "module"

edges[from] contains to if {
	some prefix, module in modules
	some resource in module.resources
	from := concat("", [prefix, resource.type, ".", resource.name])
	some to in targets_of(prefix, resource, resource.expressions.user)
}

edges[from] contains to if {
	some prefix, module in modules
	some name, call in module.module_calls
	some variable, expression in call.expressions
	from := concat("", [prefix, "module.", name, ".var.", variable])
	some to in targets_of(prefix, call, expression)
}

edges[from] contains to if {
	some prefix, module in modules
	some name, output in module.outputs
	from := concat("", [prefix, name])
	some to in targets_of(prefix, {}, output.expression)
}

# A module as a whole, as in `module.team[var.name].user`, is any of its outputs.
edges[from] contains to if {
	some prefix, module in modules
	some name, call in module.module_calls
	from := concat("", [prefix, "module.", name])
	some output, _ in call.module.outputs
	to := concat(".", [from, output])
}

targets_of(prefix, owner, expression) := {target |
	given := own_references(expression) | each_references(owner, expression)
	some reference in given
	not is_refined(reference, given)
	some form in {reference, without_indexes(reference)}
	target := concat("", [prefix, form])
}

own_references(expression) := {reference | some reference in expression.references}

# `each.value` is whatever `for_each` goes over.
each_references(owner, expression) := {reference | some reference in owner.for_each_expression.references} if {
	some own in expression.references
	startswith(own, "each.")
} else := set()

# `module.team.user` comes with `module.team`, which would be any output of it.
is_refined(reference, given) if {
	startswith(reference, "module.")
	some other in given
	startswith(without_indexes(other), concat("", [without_indexes(reference), "."]))
}
