//! Text that others wrote (user names, tag values, event fields) made fit to print, and cut to a length.

/// Cuts `text` to at most `max` characters, on a character boundary, the last of them `…` where something was cut.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Whether a character must not reach a log, a terminal or the console: control characters and the characters that change
/// the direction or the line of the text around them.
#[must_use]
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Replaces the characters that [are hostile](is_hostile).
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// [`printable`] text of at most `max` characters, to quote in a message.
#[must_use]
pub fn excerpt(text: &str, max: usize) -> String {
    printable(&cut(text, max))
}

/// `1 key`, `2 keys`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Shows every access key id in `text` as `…` and its last four characters, whoever wrote it there.
#[must_use]
pub fn mask_key_ids(text: &str) -> String {
    // `AKIA` (long-term) or `ASIA` (temporary) and 16 more characters (IAM User Guide, "IAM identifiers").
    const PREFIXES: [&str; 2] = ["AKIA", "ASIA"];
    const PREFIX: usize = PREFIXES[0].len();
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = PREFIXES.iter().filter_map(|prefix| rest.find(prefix)).min() {
        let (before, from) = rest.split_at(start);
        masked.push_str(before);
        let is_of_id = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let length = PREFIX + from.bytes().skip(PREFIX).take_while(is_of_id).count();
        let shown = if length > 8 {
            masked.push('…');
            &from[length - 4..length]
        } else {
            &from[..length]
        };
        masked.push_str(shown);
        rest = &from[length..];
    }
    masked + rest
}

/// The message of a JSON error, without the position at its end.
#[must_use]
pub fn json_error(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    excerpt(message.strip_suffix(&position).unwrap_or(&message), 256)
}

/// The message of an error in a JSON document that stands in a string.
#[must_use]
pub fn embedded_json_error(error: &serde_json::Error) -> String {
    format!("{} (line {} column {} of the JSON in the string)", json_error(error), error.line(), error.column())
}
