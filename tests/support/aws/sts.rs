//! STS: who may call, `AssumeRole` and `GetCallerIdentity`.
//!
//! Source: AWS STS API Reference (2011-06-15).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::ACCESS_KEY_ID;
use super::account::Account;
use super::fault::expired_token;
use super::wire::{self, Incoming, Protocol, ServiceError, element, invalid_action, parent, seconds};
use crate::support::ACCOUNT;
use crate::support::http::Request;

/// Who has an access key.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) account_id: String,
    pub(super) arn: String,
    user_id: String,
    /// The token that has to come with every call, and when the session ends.
    session: Option<(String, DateTime<Utc>)>,
}

/// The credentials there are.
#[derive(Debug)]
pub(super) struct Credentials {
    callers: BTreeMap<String, Caller>,
    /// How long sessions last, whatever is asked for.
    pub(super) session_duration: Option<Duration>,
}

impl Default for Credentials {
    fn default() -> Self {
        let function = Caller {
            account_id: ACCOUNT.to_owned(),
            arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/evaluator/evaluator"),
            user_id: "AROAXDOUBLEEVALUATOR:evaluator".to_owned(),
            session: None,
        };
        Self { callers: BTreeMap::from([(ACCESS_KEY_ID.to_owned(), function)]), session_duration: None }
    }
}

/// The access key id in the `authorization` header; empty without one.
pub(super) fn access_key_id(request: &Request) -> String {
    let scope = request.header("authorization").and_then(credential);
    scope.and_then(|scope| scope.split('/').next()).unwrap_or_default().to_owned()
}

/// `Credential` of `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
fn credential(authorization: &str) -> Option<&str> {
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    part("SignedHeaders")?;
    part("Signature")?;
    part("Credential")
}

impl Credentials {
    /// Ends every session.
    pub(super) fn expire_sessions(&mut self, now: DateTime<Utc>) {
        for (_, expires) in self.callers.values_mut().filter_map(|caller| caller.session.as_mut()) {
            *expires = now;
        }
    }

    /// Who makes a call. The signature itself is not checked, only that there is one for this service.
    pub(super) fn caller(
        &self,
        request: &Request,
        incoming: &Incoming,
        now: DateTime<Utc>,
    ) -> Result<Caller, ServiceError> {
        let json = incoming.protocol == Protocol::Json;
        let refused = |query, json_code, message: &str| {
            Err(ServiceError::new(403, if json { json_code } else { query }, message))
        };
        let Some(authorization) = request.header("authorization") else {
            let code = "MissingAuthenticationToken";
            return refused(code, code, "Request is missing Authentication Token");
        };
        let scope = credential(authorization).filter(|_| request.header("x-amz-date").is_some());
        let scope: Vec<_> = scope.unwrap_or_default().split('/').collect();
        let [access_key_id, _date, _region, service, "aws4_request"] = scope[..] else {
            let code = "IncompleteSignature";
            return refused(code, "IncompleteSignatureException", "Authorization header is not complete");
        };
        if service != incoming.service {
            let message = format!("Credential should be scoped to correct service: '{}'.", incoming.service);
            return refused("SignatureDoesNotMatch", "InvalidSignatureException", &message);
        }
        let token = request.header("x-amz-security-token");
        let known = self.callers.get(access_key_id).filter(|caller| {
            caller.session.as_ref().is_none_or(|(session_token, _)| Some(session_token.as_str()) == token)
        });
        let Some(caller) = known else {
            let message = "The security token included in the request is invalid.";
            return refused("InvalidClientTokenId", "UnrecognizedClientException", message);
        };
        if caller.session.as_ref().is_some_and(|(_, expires)| *expires <= now) {
            return Err(expired_token(incoming.protocol));
        }
        Ok(caller.clone())
    }

    /// The answer to a call of STS: what stands in the result element.
    pub(super) fn answer(
        &mut self,
        caller: &Caller,
        accounts: &BTreeMap<String, Account>,
        action: &str,
        parameters: &Value,
        now: DateTime<Utc>,
    ) -> Result<String, ServiceError> {
        match action {
            "GetCallerIdentity" => {
                let (arn, user_id) = (element("Arn", &caller.arn), element("UserId", &caller.user_id));
                Ok(arn + &user_id + &element("Account", &caller.account_id))
            }
            "AssumeRole" => self.assume_role(caller, accounts, parameters, now),
            other => Err(invalid_action(other, "2011-06-15")),
        }
    }

    fn assume_role(
        &mut self,
        caller: &Caller,
        accounts: &BTreeMap<String, Account>,
        parameters: &Value,
        now: DateTime<Utc>,
    ) -> Result<String, ServiceError> {
        let required = |name: &str| parameters[name].as_str().ok_or_else(|| invalid(&Value::Null, name, "not be null"));
        let (role_arn, session_name) = (required("RoleArn")?, required("RoleSessionName")?);
        let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(fits) {
            let constraint = "satisfy regular expression pattern: [\\w+=,.@-]*";
            return Err(invalid(&json!(session_name), "RoleSessionName", constraint));
        }
        let duration = match parameters["DurationSeconds"].as_str() {
            None => 3600,
            Some(text) => match text.parse() {
                Ok(seconds @ 900..=3600) => seconds,
                Ok(0..900) | Err(_) => {
                    let constraint = "have value greater than or equal to 900";
                    return Err(invalid(&json!(text), "DurationSeconds", constraint));
                }
                Ok(_) => {
                    let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
                    return Err(ServiceError::new(400, "ValidationError", message));
                }
            },
        };
        let found = accounts.values().find_map(|account| {
            let arn = |name: &str| format!("arn:aws:iam::{}:role/{name}", account.account_id);
            account.roles.iter().find(|role| arn(&role.name) == role_arn).map(|role| (account, role))
        });
        let external_id = parameters["ExternalId"].as_str();
        let trusted =
            found.filter(|(_, role)| role.external_id.is_none() || role.external_id.as_deref() == external_id);
        let Some((account, role)) = trusted else {
            let caller = &caller.arn;
            let message =
                format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role_arn}");
            return Err(ServiceError::new(403, "AccessDenied", message));
        };

        let number = self.callers.len();
        let (access_key_id, token) = (format!("ASIAXDOUBLE{number:09}"), format!("session-token-{number}"));
        let expires = now + self.session_duration.unwrap_or(Duration::from_secs(duration));
        let session = Caller {
            account_id: account.account_id.clone(),
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", account.account_id, role.name),
            user_id: format!("AROAXDOUBLE{number:09}:{session_name}"),
            session: Some((token.clone(), expires)),
        };
        let credentials = [
            element("AccessKeyId", &access_key_id),
            element("SecretAccessKey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            element("SessionToken", &token),
            element("Expiration", &seconds(expires)),
        ];
        let user = element("AssumedRoleId", &session.user_id) + &element("Arn", &session.arn);
        self.callers.insert(access_key_id, session);
        // In the order of the example in the STS API Reference, "AssumeRole".
        Ok(parent("AssumedRoleUser", &user) + &parent("Credentials", &credentials.concat()))
    }
}

fn invalid(value: &Value, member: &str, constraint: &str) -> ServiceError {
    ServiceError::validation(wire::STS, value, member, constraint)
}
