//! IAM: the calls that judge a user, and those that act on its access keys.
//!
//! Source: IAM API Reference (2010-05-08); the texts of errors as recorded from AWS.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::account::{Account, Key, User};
use super::report;
use super::wire::{self, ServiceError, element, invalid_action, page_place, page_token, parent, seconds};

/// A call of IAM.
pub(super) struct IamCall<'a> {
    pub(super) account: &'a mut Account,
    pub(super) action: &'a str,
    pub(super) parameters: &'a Value,
    /// The most that a page of a list holds, whatever `MaxItems` asks for.
    pub(super) page_size: Option<usize>,
    /// ARN of the caller.
    pub(super) caller: &'a str,
    pub(super) now: DateTime<Utc>,
}

impl IamCall<'_> {
    /// The answer: what stands in the result element.
    pub(super) fn answer(self) -> Result<String, ServiceError> {
        match self.action {
            "ListAccessKeys" => self.list_access_keys(),
            "GetLoginProfile" => self.get_login_profile(),
            "GetUser" => self.get_user(),
            "GetAccessKeyLastUsed" => self.get_access_key_last_used(),
            "ListUsers" => self.list_users(),
            "GenerateCredentialReport" => Ok(report::generate(self.account, self.now)),
            "GetCredentialReport" => report::get(self.account),
            "UpdateAccessKey" => self.update_access_key(),
            "DeleteAccessKey" => self.delete_access_key(),
            other => Err(invalid_action(other, "2010-05-08")),
        }
    }

    /// Without a user name IAM lists the keys of the caller: where that is not a user, those of the root user.
    fn list_access_keys(&self) -> Result<String, ServiceError> {
        let (user, keys) = match self.user_name()? {
            Some(name) => {
                let user = self.user(name)?;
                (Some(user), &user.keys)
            }
            None => (None, &self.account.root_keys),
        };
        let owner = user.map(|user| element("UserName", &user.name)).unwrap_or_default();
        self.list("AccessKeyMetadata", keys, |key: &Key| {
            let (id, status) = (element("AccessKeyId", &key.id), element("Status", &key.status));
            owner.clone() + &id + &status + &element("CreateDate", &seconds(key.created))
        })
    }

    fn get_login_profile(&self) -> Result<String, ServiceError> {
        let user = self.user(self.required_user_name()?)?;
        let Some(made) = user.login_profile else {
            return Err(no_such_entity(format!("Login Profile for User {} cannot be found.", user.name)));
        };
        let (name, made) = (element("UserName", &user.name), element("CreateDate", &seconds(made)));
        Ok(parent("LoginProfile", &(name + &made + &element("PasswordResetRequired", "false"))))
    }

    /// Unlike `ListUsers`, with tags.
    fn get_user(&self) -> Result<String, ServiceError> {
        let user = self.user(self.required_user_name()?)?;
        let tag =
            |(key, value): (&String, &String)| parent("member", &(element("Key", key) + &element("Value", value)));
        let tags = user.tags.iter().map(tag).collect::<String>();
        let tags = if tags.is_empty() { tags } else { parent("Tags", &tags) };
        Ok(parent("User", &(self.about(user) + &tags)))
    }

    fn about(&self, user: &User) -> String {
        [
            element("Path", &user.path),
            element("UserName", &user.name),
            element("UserId", &user.user_id),
            element("Arn", &user.arn(&self.account.account_id)),
            element("CreateDate", &seconds(user.created)),
            user.password_last_used.map(|used| element("PasswordLastUsed", &seconds(used))).unwrap_or_default(),
        ]
        .concat()
    }

    /// IAM does not tell a key that does not exist from one of another account: both are denied.
    fn get_access_key_last_used(&self) -> Result<String, ServiceError> {
        let id = self.access_key_id()?;
        let keys = self.account.users.iter().flat_map(|user| user.keys.iter().map(move |key| (user, key)));
        let Some((user, key)) = keys.into_iter().find(|(_, key)| key.id == id) else {
            let caller = self.caller;
            let message = format!(
                "User: {caller} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {id}"
            );
            return Err(ServiceError::new(403, "AccessDenied", message));
        };
        let (date, region, service) = match key.last_used {
            Some(time) => (element("LastUsedDate", &seconds(time)), "us-east-1", "sts"),
            None => (String::new(), "N/A", "N/A"),
        };
        let last_used = date + &element("ServiceName", service) + &element("Region", region);
        Ok(element("UserName", &user.name) + &parent("AccessKeyLastUsed", &last_used))
    }

    fn list_users(&self) -> Result<String, ServiceError> {
        let prefix = self.text("PathPrefix").unwrap_or("/");
        let users: Vec<_> = self.account.users.iter().filter(|user| user.path.starts_with(prefix)).collect();
        self.list("Users", &users, |user: &&User| self.about(user))
    }

    fn update_access_key(self) -> Result<String, ServiceError> {
        let status = match self.text("Status") {
            Some(status @ ("Active" | "Inactive")) => status.to_owned(),
            other => return Err(invalid(&json!(other), "Status", "satisfy enum value set: [Active, Inactive]")),
        };
        let (user, key) = self.place_of_key()?;
        self.account.users[user].keys[key].status = status;
        Ok(String::new())
    }

    fn delete_access_key(self) -> Result<String, ServiceError> {
        let (user, key) = self.place_of_key()?;
        self.account.users[user].keys.remove(key);
        Ok(String::new())
    }

    /// Where the key to act on is. Only a user may leave the user name out, and means itself.
    fn place_of_key(&self) -> Result<(usize, usize), ServiceError> {
        let (id, name) = (self.access_key_id()?, self.required_user_name()?);
        self.user(name)?;
        let users = self.account.users.iter().enumerate();
        let place = users
            .filter(|(_, user)| user.is_named(name))
            .find_map(|(place, user)| user.keys.iter().position(|key| key.id == id).map(|key| (place, key)));
        place.ok_or_else(|| no_such_entity(format!("The Access Key with id {id} cannot be found.")))
    }

    /// A page of a list. IAM may return fewer entries than asked for although there are more.
    fn list<T>(&self, member: &str, all: &[T], entry: impl Fn(&T) -> String) -> Result<String, ServiceError> {
        let asked = match self.text("MaxItems") {
            None => 100,
            Some(text) => match text.parse::<usize>() {
                Ok(number @ 1..=1000) => number,
                Ok(0) | Err(_) => {
                    return Err(invalid(&json!(text), "MaxItems", "have value greater than or equal to 1"));
                }
                Ok(_) => return Err(invalid(&json!(text), "MaxItems", "have value less than or equal to 1000")),
            },
        };
        let start = match self.text("Marker") {
            None => 0,
            Some(marker) => page_place(member, marker)
                .ok_or_else(|| ServiceError::new(400, "ValidationError", format!("Invalid Marker: {marker}")))?,
        };
        let end = start.saturating_add(asked.min(self.page_size.unwrap_or(asked))).min(all.len());
        let entries = all.get(start..end).unwrap_or_default().iter().map(|value| parent("member", &entry(value)));
        let entries = parent(member, &entries.collect::<String>());
        Ok(if end < all.len() {
            entries + &element("IsTruncated", "true") + &element("Marker", &page_token(member, end))
        } else {
            entries + &element("IsTruncated", "false")
        })
    }

    fn user(&self, name: &str) -> Result<&User, ServiceError> {
        let user = self.account.find(name);
        user.ok_or_else(|| no_such_entity(format!("The user with name {name} cannot be found.")))
    }

    fn required_user_name(&self) -> Result<&str, ServiceError> {
        self.user_name()?.ok_or_else(|| {
            ServiceError::new(400, "ValidationError", "Must specify userName when calling with non-User credentials")
        })
    }

    fn user_name(&self) -> Result<Option<&str>, ServiceError> {
        let Some(name) = self.text("UserName") else { return Ok(None) };
        if name.is_empty()
            || name.len() > 128
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
        {
            return Err(invalid(&json!(name), "UserName", "satisfy regular expression pattern: [\\w+=,.@-]+"));
        }
        Ok(Some(name))
    }

    fn access_key_id(&self) -> Result<&str, ServiceError> {
        match self.text("AccessKeyId") {
            None => Err(invalid(&Value::Null, "AccessKeyId", "not be null")),
            Some(id) if id.len() < 16 => {
                Err(invalid(&json!(id), "AccessKeyId", "have length greater than or equal to 16"))
            }
            Some(id) if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                Err(invalid(&json!(id), "AccessKeyId", "satisfy regular expression pattern: [\\w]+"))
            }
            Some(id) => Ok(id),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.parameters[name].as_str()
    }
}

fn invalid(value: &Value, member: &str, constraint: &str) -> ServiceError {
    ServiceError::validation(wire::IAM, value, member, constraint)
}

fn no_such_entity(message: String) -> ServiceError {
    ServiceError::new(404, "NoSuchEntity", message)
}
