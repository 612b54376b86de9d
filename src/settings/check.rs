//! Checks a tree as it was written against what is expected: the serialised defaults, and patterns for what they do
//! not show. Everything wrong is named, and left out of the tree that is handed on.

use std::num::IntErrorKind;

use serde_json::{Map, Value};

use super::problems::{Place, Problem};
use super::source::{Content, Node};

/// Keys longer than this are no slip of the finger; no likeness is looked for.
const LONGEST_TYPO: usize = 64;

/// What may stand in a place.
#[derive(Clone, Debug)]
pub enum Expect {
    /// The like of this: the same keys if it is a table, the same type if it is not. `null` stands for anything.
    Like(Value),
    /// Any scalar, handed on as text. In a table of such (`kafka.properties.*`) keys may hold dots: `a.b = 1` is
    /// `"a.b" = 1`, and the environment's `A_B` is `a.b`.
    Text,
    /// Anything: left to serde.
    Any,
}

/// What is expected where the defaults do not show it: in tables with free keys, in lists, and in settings whose
/// default is none. It takes precedence over the defaults.
#[derive(Clone, Debug)]
pub struct Pattern {
    path: String,
    expect: Expect,
}

impl Pattern {
    /// `path` is a key as in `programmes.*.inactivity.rules[]`: `*` is any key of a table, `[]` any item of a list.
    pub fn new(path: impl Into<String>, expect: Expect) -> Self {
        Self {
            path: path.into(),
            expect,
        }
    }
}

/// What is expected of a node, borrowed.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Like(&'a Value),
    Text,
    Any,
}

/// A tree that has passed, and where each of its values was written, by key.
#[derive(Debug)]
pub(super) struct Checked {
    pub tree: Value,
    pub places: Vec<(String, Place)>,
}

/// Checks one tree.
pub(super) fn check(reference: &Value, patterns: &[Pattern], tree: Node, problems: &mut Vec<Problem>) -> Checked {
    let mut checker = Checker {
        patterns,
        problems,
        places: Vec::new(),
    };
    let tree = checker
        .value("", "", Shape::Like(reference), tree)
        .unwrap_or_else(|| Value::Object(Map::new()));
    Checked {
        tree,
        places: checker.places,
    }
}

struct Checker<'a> {
    patterns: &'a [Pattern],
    problems: &'a mut Vec<Problem>,
    places: Vec<(String, Place)>,
}

impl<'a> Checker<'a> {
    /// `key` is the node's own key; `path` the same with `*` and `[]` where patterns have led to it.
    fn value(&mut self, key: &str, path: &str, shape: Shape<'a>, node: Node) -> Option<Value> {
        let Node { place, content } = node;
        if !key.is_empty() {
            self.places.push((key.to_owned(), place.clone()));
        }
        let found = match content {
            Content::Table(table) if self.is_table(path, shape) || is_free(shape) => {
                let mut checked = Map::new();
                for (name, child) in table {
                    match self.pattern(&join(path, "*")) {
                        Some(Shape::Text) => self.properties(key, path, name, child, &mut checked),
                        _ => self.child(key, path, shape, name, child, &mut checked),
                    }
                }
                return Some(Value::Object(checked));
            }
            Content::List(items) if self.is_list(path, shape) || is_free(shape) => {
                return self.list(key, path, shape, items);
            }
            Content::Untyped(text) if self.is_list(path, shape) => match listed(&text) {
                Ok(items) => {
                    let item = |text| Node {
                        place: place.clone(),
                        content: Content::Untyped(text),
                    };
                    return self.list(key, path, shape, items.into_iter().map(item).collect());
                }
                Err(message) => Err(message),
            },
            Content::Untyped(_) if self.is_table(path, shape) => Err("is a table; give a key in it".to_owned()),
            Content::Impossible(reason) => Err(reason.to_owned()),
            content if self.is_table(path, shape) || self.is_list(path, shape) => {
                let expected = if self.is_table(path, shape) {
                    "a table"
                } else {
                    "a list"
                };
                Err(format!("expects {expected}, got {}", kind(&content)))
            }
            content => scalar(shape, content),
        };
        found
            .map_err(|message| self.problems.push(Problem::new(place, key, message)))
            .ok()
    }

    /// A key of a table whose keys are known, or free with a reference for their values.
    fn child(
        &mut self,
        key: &str,
        path: &str,
        shape: Shape<'a>,
        name: String,
        child: Node,
        checked: &mut Map<String, Value>,
    ) {
        let child_key = join(key, &name);
        let known = match shape {
            Shape::Like(Value::Object(known)) => Some(known),
            _ => None,
        };
        let (exact, any) = (join(path, &name), join(path, "*"));
        let found = if let Some(shape) = self.pattern(&exact) {
            Some((exact, shape))
        } else if let Some(shape) = self.pattern(&any) {
            Some((any, shape))
        } else if is_free(shape) {
            Some((exact, Shape::Any))
        } else {
            known
                .and_then(|known| known.get(&name))
                .map(|value| (exact, Shape::Like(value)))
        };
        match found {
            Some((path, shape)) => {
                if let Some(value) = self.value(&child_key, &path, shape, child) {
                    checked.insert(name, value);
                }
            }
            None => {
                let likely = self.likely(&name, path, known);
                let hint = likely
                    .map(|likely| format!("; did you mean {likely}?"))
                    .unwrap_or_default();
                self.problems
                    .push(Problem::new(child.place, child_key, format!("unknown key{hint}")));
            }
        }
    }

    /// A key of a table of texts: tables below it are dots in it.
    fn properties(&mut self, key: &str, path: &str, name: String, child: Node, checked: &mut Map<String, Value>) {
        let name = match child.place {
            Place::Environment(_) => name.replace('_', "."),
            _ => name,
        };
        if let Content::Table(table) = child.content {
            for (rest, node) in table {
                self.properties(key, path, join(&name, &rest), node, checked);
            }
        } else if checked.contains_key(&name) {
            self.problems
                .push(Problem::new(child.place, join(key, &name), "is given twice"));
        } else if let Some(value) = self.value(&join(key, &name), &join(path, "*"), Shape::Text, child) {
            checked.insert(name, value);
        }
    }

    fn list(&mut self, key: &str, path: &str, shape: Shape<'a>, items: Vec<Node>) -> Option<Value> {
        let path = format!("{path}[]");
        let item_shape = self.pattern(&path).unwrap_or(match shape {
            // One default item shows the type of scalars, but not which keys of a table may be left out.
            Shape::Like(Value::Array(known)) => match known.first() {
                Some(first) if !first.is_object() => Shape::Like(first),
                _ => Shape::Any,
            },
            _ => Shape::Any,
        });
        let checked: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| self.value(&format!("{key}[{index}]"), &path, item_shape, item))
            .collect();
        // An item that is refused keeps its place: without it, those after it would be called by the wrong number.
        Some(checked.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn pattern(&self, path: &str) -> Option<Shape<'a>> {
        let pattern = self.patterns.iter().find(|pattern| pattern.path == path)?;
        Some(match &pattern.expect {
            Expect::Like(value) => Shape::Like(value),
            Expect::Text => Shape::Text,
            Expect::Any => Shape::Any,
        })
    }

    fn is_table(&self, path: &str, shape: Shape<'_>) -> bool {
        matches!(shape, Shape::Like(Value::Object(_))) || self.pattern(&join(path, "*")).is_some()
    }

    fn is_list(&self, path: &str, shape: Shape<'_>) -> bool {
        matches!(shape, Shape::Like(Value::Array(_))) || self.pattern(&format!("{path}[]")).is_some()
    }

    /// The known key most like `name`, if one is near enough to be meant.
    fn likely(&self, name: &str, path: &str, known: Option<&'a Map<String, Value>>) -> Option<&'a str> {
        if name.len() > LONGEST_TYPO {
            return None;
        }
        let prefix = join(path, "");
        let patterns = self
            .patterns
            .iter()
            .filter_map(|pattern| pattern.path.strip_prefix(prefix.as_str()));
        let patterns = patterns.filter(|rest| !rest.contains(['.', '[', '*']));
        let known = known.into_iter().flat_map(Map::keys).map(String::as_str);
        known
            .chain(patterns)
            .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
            .filter(|&(distance, candidate)| distance <= (candidate.chars().count() / 3).max(1))
            .min()
            .map(|(_, candidate)| candidate)
    }
}

/// Whether anything may stand here, so that serde has the last word.
fn is_free(shape: Shape<'_>) -> bool {
    matches!(shape, Shape::Any | Shape::Like(Value::Null))
}

/// `a` and `b` make `a.b`; at the top, `b` alone.
fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// What is said of numbers that no setting can hold.
pub(super) const TOO_LARGE: &str = "the number is too large";
pub(super) const NOT_FINITE: &str = "expects a finite number";

/// The items of a list given as one text: with commas between them, or as a settings file has it.
fn listed(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if !text.starts_with('[') {
        let items = text.split(',').map(|item| item.trim().to_owned());
        return Ok(if text.is_empty() { Vec::new() } else { items.collect() });
    }
    let item = |value: toml::Value| match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Some(value.to_string()),
        _ => None,
    };
    let table = toml::from_str::<toml::Table>(&format!("list = {text}")).ok();
    let list = table
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("list"));
    let items = match list {
        Some(toml::Value::Array(items)) => items.into_iter().map(item).collect(),
        _ => None,
    };
    items.ok_or_else(|| format!("expects a list of texts or numbers, such as a,b or [\"a\", \"b\"] (tables: in a settings file), got {text:?}"))
}

/// Checks and converts what is neither a table nor a list by what is expected.
fn scalar(shape: Shape<'_>, content: Content) -> Result<Value, String> {
    let mismatch = |expected: &str, content: &Content| match content {
        Content::Untyped(text) => format!("expects {expected}, got {text:?}"),
        content => format!("expects {expected}, got {}", kind(content)),
    };
    match (shape, content) {
        (Shape::Text, Content::Scalar(Value::String(text)) | Content::Untyped(text)) => Ok(text.into()),
        (Shape::Text, Content::Scalar(value)) => Ok(value.to_string().into()),
        (Shape::Text, content) => Err(mismatch("text, a number, or true or false", &content)),
        (Shape::Any | Shape::Like(Value::Null), Content::Scalar(value)) => Ok(value),
        (Shape::Any | Shape::Like(Value::Null), Content::Untyped(text)) => Ok(text.into()),
        (Shape::Like(Value::String(_)), Content::Untyped(text)) => Ok(text.into()),
        (Shape::Like(Value::String(_)), Content::Scalar(value @ Value::String(_))) => Ok(value),
        (Shape::Like(Value::String(_)), content) => Err(mismatch("text", &content)),
        (Shape::Like(Value::Bool(_)), content) => match content {
            Content::Scalar(value @ Value::Bool(_)) => Ok(value),
            Content::Untyped(text) if text.trim() == "true" => Ok(true.into()),
            Content::Untyped(text) if text.trim() == "false" => Ok(false.into()),
            content => Err(mismatch("true or false", &content)),
        },
        (Shape::Like(Value::Number(like)), content) if like.is_f64() => {
            let number = match &content {
                Content::Scalar(value) => value.as_f64(),
                Content::Untyped(text) => text.trim().parse::<f64>().ok(),
                _ => None,
            };
            if number.is_some_and(|number| !number.is_finite()) {
                return Err(NOT_FINITE.to_owned());
            }
            number.map(Value::from).ok_or_else(|| mismatch("a number", &content))
        }
        (Shape::Like(Value::Number(_)), content) => match content {
            Content::Scalar(value) if value.is_i64() || value.is_u64() => Ok(value),
            Content::Untyped(text) => {
                let number = text.trim().parse::<i64>().map(Value::from);
                let number = number.or_else(|_| text.trim().parse::<u64>().map(Value::from));
                number.map_err(|error| match error.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => TOO_LARGE.to_owned(),
                    _ => mismatch("a whole number", &Content::Untyped(text)),
                })
            }
            content => Err(mismatch("a whole number", &content)),
        },
        // What stands for a table or a list is told apart before.
        (Shape::Any | Shape::Like(_), content) => Err(format!("cannot be {}", kind(&content))),
    }
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::Table(_) => "a table",
        Content::List(_) => "a list",
        Content::Scalar(Value::Bool(_)) => "true or false",
        Content::Scalar(Value::Number(number)) if number.is_f64() => "a number with a fraction",
        Content::Scalar(Value::Number(_)) => "a whole number",
        Content::Scalar(_) | Content::Untyped(_) => "text",
        Content::Impossible(_) => "no usable value",
    }
}
