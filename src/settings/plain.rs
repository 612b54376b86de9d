//! What serde says of a value, in the words of people who write settings.

/// A message of serde's, in plain words; others as they are.
pub(super) fn plain(message: &str) -> String {
    let quoted = |text: &str| {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if let Some(rest) = after_any(message, &["invalid type: ", "invalid value: ", "invalid length "])
        && let Some((found, expected)) = rest.rsplit_once(", expected ")
    {
        return match expected {
            "map with a single key" => "expects exactly one key in this table".to_owned(),
            "u32"
                if given(found)
                    .parse()
                    .is_ok_and(|number: u64| number > u64::from(u32::MAX)) =>
            {
                format!("expects a whole number up to {}, got {}", u32::MAX, given(found))
            }
            _ => format!("expects {}, got {}", wanted(expected), given(found)),
        };
    }
    if message.starts_with("unknown field ") {
        let names = quoted(message);
        return match names.split_first() {
            Some((unknown, known)) => format!("unknown key{}", hint(unknown, known)),
            None => "unknown key".to_owned(),
        };
    }
    if message.starts_with("unknown variant ") {
        let names = quoted(message);
        return match names.split_first() {
            Some((unknown, known)) => format!("{unknown:?} is not known here{}", hint(unknown, known)),
            None => message.to_owned(),
        };
    }
    match missing(message) {
        Some(name) => format!("{name} is missing"),
        None => message.to_owned(),
    }
}

/// The name of the key that a message calls missing.
pub(super) fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn after_any<'a>(text: &'a str, starts: &[&str]) -> Option<&'a str> {
    starts.iter().find_map(|start| text.strip_prefix(start))
}

/// The known name that is meant, or all of them.
fn hint(unknown: &str, known: &[String]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min();
    match (near, known) {
        (Some((_, name)), _) => format!("; did you mean {name}?"),
        (None, []) => String::new(),
        (None, [only]) => format!("; it may be {only}"),
        (None, [most @ .., last]) => format!("; it may be {} or {last}", most.join(", ")),
    }
}

fn wanted(expected: &str) -> String {
    let plain = match expected {
        "f32" | "f64" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string" => "text",
        "a sequence" => "a list",
        "string or map" | "variant identifier" => "a name, or a table with one",
        _ if expected.starts_with("struct") || expected.ends_with("map") => "a table",
        _ => expected,
    };
    plain.to_owned()
}

fn given(found: &str) -> String {
    let inner = found.split('`').nth(1);
    match (found, inner) {
        ("map", _) => "a table".into(),
        ("sequence", _) => "a list".into(),
        ("null" | "unit value", _) => "nothing".into(),
        ("unit variant", _) => "a name alone".into(),
        (_, Some(inner)) => inner.to_owned(),
        _ => match found.strip_prefix("string ") {
            Some(text) => format!("the text {text}"),
            None => found.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_is_put_into_plain_words() {
        for (serde, words) in [
            (
                "invalid type: string \"twelve\", expected f64",
                "expects a number, got the text \"twelve\"",
            ),
            (
                "invalid value: integer `300`, expected u8",
                "expects a whole number from 0 to 255, got 300",
            ),
            (
                "invalid value: map, expected map with a single key",
                "expects exactly one key in this table",
            ),
            (
                "invalid value: integer `5000000000`, expected u32",
                "expects a whole number up to 4294967295, got 5000000000",
            ),
            (
                "invalid type: sequence, expected struct Rule",
                "expects a table, got a list",
            ),
            (
                "unknown field `huors`, expected `hours`",
                "unknown key; did you mean hours?",
            ),
            (
                "unknown field `x`, expected `below` or `hours`",
                "unknown key; it may be below or hours",
            ),
            (
                "unknown variant `hihg`, expected one of `low`, `medium`, `high`",
                "\"hihg\" is not known here; did you mean high?",
            ),
            ("missing field `when`", "when is missing"),
            ("a band must end after it begins", "a band must end after it begins"),
        ] {
            assert_eq!(plain(serde), words);
        }
    }
}
