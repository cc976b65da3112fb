//! What a stack is made of once its parameters have values: conditions decided, intrinsic functions resolved.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{ACCOUNT, REGION, members};

/// A template with values for its parameters.
pub(crate) struct Stack<'a> {
    template: &'a Value,
    parameters: BTreeMap<&'a str, Value>,
    region: String,
}

impl<'a> Stack<'a> {
    /// A stack with these parameters, the others at their defaults.
    #[track_caller]
    pub(crate) fn new(template: &'a Value, given: &[(&str, &str)]) -> Self {
        for (name, _) in given {
            assert!(template["Parameters"].get(*name).is_some(), "no parameter {name}");
        }
        let value = |(name, definition): (&'a String, &'a Value)| {
            let given = given.iter().rfind(|(given, _)| given == name).map(|(_, value)| json!(value));
            let value = given.or_else(|| definition.get("Default").cloned());
            let value = value.unwrap_or_else(|| panic!("parameter {name} has no default"));
            let list = definition["Type"] == "CommaDelimitedList";
            let value = if list { json!(value.as_str().unwrap().split(',').collect::<Vec<_>>()) } else { value };
            (name.as_str(), value)
        };
        let parameters = members(&template["Parameters"]).iter().map(value).collect();
        Self { template, parameters, region: REGION.to_owned() }
    }

    /// The same stack in another region.
    pub(crate) fn in_region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    /// The resources that are made, by logical id: type and properties.
    pub(crate) fn resources(&self) -> BTreeMap<&'a str, (&'a str, Value)> {
        let made = members(&self.template["Resources"]).iter().filter(|(_, resource)| self.is_made(resource));
        let resource = |(id, resource): (&'a String, &'a Value)| {
            let kind = resource["Type"].as_str().unwrap();
            (id.as_str(), (kind, self.value(&resource["Properties"])))
        };
        made.map(resource).collect()
    }

    /// The properties of a resource that is made.
    #[track_caller]
    pub(crate) fn properties(&self, id: &str) -> Value {
        self.resources().remove(id).unwrap_or_else(|| panic!("{id} is not made")).1
    }

    /// What the stack exports: name to value.
    pub(crate) fn exports(&self) -> BTreeMap<String, Value> {
        let outputs = members(&self.template["Outputs"]).values().filter(|output| self.is_made(output));
        let export = |output| {
            let output: Value = self.value(output);
            Some((output["Export"]["Name"].as_str()?.to_owned(), output["Value"].clone()))
        };
        outputs.filter_map(export).collect()
    }

    fn is_made(&self, resource: &Value) -> bool {
        resource["Condition"].as_str().is_none_or(|condition| self.holds(condition))
    }

    fn holds(&self, condition: &str) -> bool {
        self.value(&self.template["Conditions"][condition]) == true
    }

    #[track_caller]
    fn value(&self, value: &Value) -> Value {
        self.resolve(value).unwrap_or_else(|| panic!("`AWS::NoValue` in place of {value}"))
    }

    /// A value, or nothing where `AWS::NoValue` stands for it.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(object) => match object.iter().next() {
                Some((name, argument)) if object.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    self.call(name, argument)
                }
                _ => {
                    let resolved = object.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
                    Some(Value::Object(resolved.collect::<Map<_, _>>()))
                }
            },
            other => Some(other.clone()),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(match function {
            "Ref" if argument == "AWS::NoValue" => return None,
            "Ref" => self.reference(argument.as_str().unwrap()),
            "Fn::If" => {
                let branch = if self.holds(argument[0].as_str().unwrap()) { 1 } else { 2 };
                return self.resolve(&argument[branch]);
            }
            "Fn::Not" => json!(self.value(&argument[0]) != true),
            "Fn::And" => json!(argument.as_array().unwrap().iter().all(|it| self.value(it) == true)),
            "Fn::Or" => json!(argument.as_array().unwrap().iter().any(|it| self.value(it) == true)),
            // Parameters are texts to CloudFormation, numbers too.
            "Fn::Equals" => json!(text(&self.value(&argument[0])) == text(&self.value(&argument[1]))),
            "Fn::Join" => {
                let parts = self.value(&argument[1]);
                let parts: Vec<_> = parts.as_array().unwrap().iter().map(text).collect();
                json!(parts.join(argument[0].as_str().unwrap()))
            }
            "Fn::Sub" => {
                let (pattern, local) = match argument {
                    Value::Array(both) => (&both[0], self.value(&both[1])),
                    pattern => (pattern, json!({})),
                };
                let mut parts = pattern.as_str().unwrap().split("${");
                let mut result = parts.next().unwrap().to_owned();
                for part in parts {
                    let (name, rest) = part.split_once('}').unwrap();
                    let value = local.get(name).cloned().unwrap_or_else(|| match name.split_once('.') {
                        Some((id, attribute)) => self.attribute(id, attribute),
                        None => self.reference(name),
                    });
                    result += &text(&value);
                    result += rest;
                }
                json!(result)
            }
            "Fn::GetAtt" => self.attribute(argument[0].as_str().unwrap(), argument[1].as_str().unwrap()),
            "Fn::ImportValue" => json!(format!("imported:{}", argument.as_str().unwrap())),
            other => panic!("{other} is not known here"),
        })
    }

    fn reference(&self, name: &str) -> Value {
        match name {
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Partition" => json!("aws"),
            "AWS::Region" => json!(self.region),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            _ => self.parameters.get(name).cloned().unwrap_or_else(|| json!(self.name_of(name).0)),
        }
    }

    /// The name that a resource has, or may get, and its ARN.
    fn name_of(&self, id: &str) -> (String, String) {
        let resource = &self.template["Resources"][id];
        assert!(self.is_made(resource), "{id} is not made");
        let (name, service, prefix, suffix) = match resource["Type"].as_str() {
            Some("AWS::Events::Rule") => ("Name", "events", "rule/", ""),
            Some("AWS::IAM::Role") => ("RoleName", "iam", "role/", ""),
            Some("AWS::Lambda::Function") => ("FunctionName", "lambda", "function:", ""),
            Some("AWS::Logs::LogGroup") => ("LogGroupName", "logs", "log-group:", ":*"),
            Some("AWS::S3::Bucket") => ("BucketName", "s3", "", ""),
            Some("AWS::SSM::Document") => ("Name", "ssm", "document/", ""),
            Some("AWS::SQS::Queue") => ("QueueName", "sqs", "", ""),
            _ => panic!("no resource {id}, or the form of its ARN is not known here"),
        };
        let name = match resource["Properties"].get(name) {
            Some(given) => self.value(given).as_str().unwrap().to_owned(),
            None => format!("stack-{}", id.to_ascii_lowercase()),
        };
        let (region, account) = match service {
            "iam" => ("", ACCOUNT),
            "s3" => ("", ""),
            _ => (self.region.as_str(), ACCOUNT),
        };
        let arn = format!("arn:aws:{service}:{region}:{account}:{prefix}{name}{suffix}");
        (name, arn)
    }

    fn attribute(&self, id: &str, attribute: &str) -> Value {
        let (name, arn) = self.name_of(id);
        match attribute {
            "Arn" => json!(arn),
            "QueueName" => json!(name),
            other => panic!("{id} has no attribute {other} here"),
        }
    }
}
