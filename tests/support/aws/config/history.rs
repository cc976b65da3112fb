//! What AWS Config recorded: the history of a resource, and the resources it discovered.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Answer, ConfigCall, invalid, invalid_token, wrong_type};
use crate::support::aws::account::User;
use crate::support::aws::wire::{ServiceError, epoch, page_place, page_token};

const ITEMS: &str = "configurationItems";

/// A configuration item of a user as the API gives it: other names than in a notification, times as numbers, and the
/// configuration as JSON in a string.
pub(super) fn item(account_id: &str, user: &User, captured: DateTime<Utc>) -> Value {
    json!({
        "version": "1.3",
        "accountId": account_id,
        "configurationItemCaptureTime": epoch(captured),
        "configurationItemStatus": "OK",
        "configurationStateId": captured.timestamp_millis().to_string(),
        "configurationItemMD5Hash": "",
        "arn": user.arn(account_id),
        "resourceType": "AWS::IAM::User",
        "resourceId": user.user_id,
        "resourceName": user.name,
        "awsRegion": "global",
        "availabilityZone": "Not Applicable",
        "resourceCreationTime": epoch(user.created),
        "tags": user.tags,
        "relatedEvents": [],
        "relationships": [],
        "configuration": user.configuration(account_id).to_string(),
        "supplementaryConfiguration": {},
    })
}

impl ConfigCall<'_> {
    /// Newest first unless asked otherwise. A page covers at most seven days, so it may be empty although more follow.
    pub(super) fn resource_config_history(&self) -> Answer {
        self.required_text("resourceType", usize::MAX)?;
        let id = self.required_text("resourceId", 768)?;
        let limit = self.limit("limit", 10)?;
        let (later, earlier) = (self.moment("laterTime")?, self.moment("earlierTime")?);
        let config = &self.account.config;
        let Some(recorded) = config.items.get(id) else {
            let message = format!("Resource {id} of resourceType:AWS::IAM::User is unknown or has not been discovered");
            return Err(ServiceError::new(400, "ResourceNotDiscoveredException", message));
        };
        let within = |item: &&Value| {
            let captured = item["configurationItemCaptureTime"].as_f64().unwrap_or_default();
            later.is_none_or(|later| captured <= later) && earlier.is_none_or(|earlier| captured >= earlier)
        };
        let mut items: Vec<_> = recorded.iter().filter(within).cloned().collect();
        match self.text("chronologicalOrder", usize::MAX)? {
            None | Some("Reverse") => {}
            Some("Forward") => items.reverse(),
            Some(other) => {
                let constraint = "satisfy enum value set: [Reverse, Forward]";
                return Err(invalid(&json!(other), "chronologicalOrder", constraint));
            }
        }
        // Places below `empty_history_pages` are the empty pages, the items follow.
        let empty = config.empty_history_pages;
        let place = match self.text("nextToken", usize::MAX)? {
            None => 0,
            Some(token) => page_place(ITEMS, token).ok_or_else(invalid_token)?,
        };
        if place < empty {
            return Ok(json!({ITEMS: [], "nextToken": page_token(ITEMS, place + 1)}));
        }
        let start = place - empty;
        let end = start.saturating_add(limit.min(self.page_size.unwrap_or(limit))).min(items.len());
        let page = items.get(start..end).unwrap_or_default();
        Ok(if end < items.len() {
            json!({ITEMS: page, "nextToken": page_token(ITEMS, empty + end)})
        } else {
            json!({ITEMS: page})
        })
    }

    /// The users of the account, as if all of them were recorded; one with recorded items by the name in the newest of
    /// them, also after it was renamed or deleted: AWS Config is minutes behind IAM.
    pub(super) fn discovered_resources(&self) -> Answer {
        let resource_type = self.required_text("resourceType", usize::MAX)?;
        let name = self.text("resourceName", usize::MAX)?;
        let limit = self.limit("limit", 100)?;
        let ids: Option<Vec<&str>> = match &self.parameters["resourceIds"] {
            Value::Null => None,
            Value::Array(ids) if ids.len() <= 20 => Some(ids.iter().filter_map(Value::as_str).collect()),
            ids @ Value::Array(_) => return Err(invalid(ids, "resourceIds", "have length less than or equal to 20")),
            _ => return Err(wrong_type()),
        };
        if ids.is_some() && name.is_some() {
            let message = "You cannot specify both resource ids and a resource name";
            return Err(ServiceError::new(400, "ValidationException", message));
        }
        let config = &self.account.config;
        let recorded = |id: &str| config.items.get(id).and_then(|items| items[0]["resourceName"].as_str());
        let users = self.account.users.iter().map(|user| {
            let id = user.user_id.as_str();
            (id, recorded(id).unwrap_or(&user.name))
        });
        let is_gone = |id: &str| self.account.users.iter().all(|user| user.user_id != id);
        let gone = config.items.keys().map(String::as_str).filter(|id| is_gone(id));
        let gone = gone.filter_map(|id| recorded(id).map(|name| (id, name)));
        let chosen = |(id, known): &(&str, &str)| {
            resource_type == "AWS::IAM::User"
                && name.is_none_or(|name| *known == name)
                && ids.as_ref().is_none_or(|ids| ids.contains(id))
        };
        let identifier = |(id, name)| json!({"resourceType": resource_type, "resourceId": id, "resourceName": name});
        let all: Vec<_> = users.chain(gone).filter(chosen).map(identifier).collect();
        self.page("resourceIdentifiers", &all, limit)
    }

    /// A time as the number of seconds since 1970.
    fn moment(&self, member: &str) -> Result<Option<f64>, ServiceError> {
        match &self.parameters[member] {
            Value::Null => Ok(None),
            given => given.as_f64().map(Some).ok_or_else(wrong_type),
        }
    }
}
