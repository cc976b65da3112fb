//! JSON objects that others send: parsed whole, and what is wrong with them said in one way.

use serde::de::DeserializeOwned;

use crate::text;

/// Why a text is not the JSON object that it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAnObject {
    /// Path of the member that is wrong; empty for the whole.
    pub(crate) path: String,
    /// What is wrong with it, of bounded length.
    pub(crate) problem: String,
    /// Line and column in the text, both from 1, as far as known.
    pub(crate) position: (usize, usize),
}

/// Parses a text that is one JSON object and nothing else. (Left alone, a parser of structs also takes arrays, and does not
/// look at what follows.)
pub(crate) fn object<T: DeserializeOwned>(json: &str) -> Result<T, NotAnObject> {
    let error = |path: String, error: &serde_json::Error| NotAnObject {
        // Keys of objects are in the path, and they are whatever was sent.
        path: if path == "." { String::new() } else { text::excerpt(&path, 128) },
        problem: text::json_error(error),
        position: (error.line(), error.column()),
    };
    if !matches!(json.trim_start().chars().next(), None | Some('{')) {
        let problem = "is not a JSON object".to_owned();
        return Err(NotAnObject { path: String::new(), problem, position: (1, 1) });
    }
    let mut parser = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut parser).map_err(|it| error(it.path().to_string(), it.inner()))?;
    parser.end().map_err(|it| error(String::new(), &it))?;
    Ok(value)
}
