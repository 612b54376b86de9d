//! The places settings come from, each read into a tree of nodes that know their place, and the merging of checked trees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Map, Source, ValueKind};
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::check::{NOT_FINITE, TOO_LARGE};
use super::problems::{Place, Problem};

/// Environment variables that start so are settings: `TAPWATCH__SECTION__KEY`.
pub const ENVIRONMENT_PREFIX: &str = "TAPWATCH__";

/// Keys given by environment or flag are cut no deeper than this, so that nothing recurses without bound. (The TOML
/// reader has a bound of its own.)
const DEEPEST_KEY: usize = 32;

/// The key under which each layer is handed to `config`. That crate reads dots in keys of the top level as a path, and
/// keys below it as they stand; one level down, `security.protocol` survives.
const ROOT: &str = "settings";

/// A settings file that has been read.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// Its name, for messages.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl SettingsFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// A [`Problem`] if it cannot be read or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let place = Place::File {
            path: path.to_owned(),
            line: None,
        };
        let bytes = std::fs::read(path).map_err(|error| Problem::new(place, "", format!("cannot be read: {error}")))?;
        String::from_utf8(bytes)
            .map(|text| Self {
                path: path.to_owned(),
                text,
            })
            .map_err(|error| {
                let valid = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
                Problem::new(
                    Place::File {
                        path: path.to_owned(),
                        line: Some(line),
                    },
                    "",
                    "is not UTF-8 text",
                )
            })
    }

    /// The programmes it speaks of, by name; none if it is not TOML.
    pub fn programmes(&self) -> Vec<String> {
        let table = toml::from_str::<toml::Table>(&self.text).unwrap_or_default();
        let programmes = table.get("programmes").and_then(toml::Value::as_table);
        programmes
            .map(|programmes| programmes.keys().cloned().collect())
            .unwrap_or_default()
    }
}

/// Where settings come from besides the built-in defaults; what is further down wins.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The settings file, if there is one.
    pub file: Option<SettingsFile>,
    /// A rule file: a settings file that holds programmes alone.
    pub rules: Option<SettingsFile>,
    /// Environment variables, all of them or some; those without [`ENVIRONMENT_PREFIX`] are passed over.
    pub environment: Vec<(String, String)>,
    /// The texts given to `--set`, such as `kafka.group=night`.
    pub flags: Vec<String>,
}

/// One value as it was written, with its place.
#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub content: Content,
}

/// What a [`Node`] holds.
#[derive(Debug)]
pub(super) enum Content {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    /// A scalar with a type.
    Scalar(Value),
    /// Text from the environment or a flag, whose type is that of the setting it is for.
    Untyped(String),
    /// A value no setting can hold, and why.
    Impossible(&'static str),
}

/// The variable that was meant by one that looks like a setting and is none for its underscores or small letters. Others that begin
/// with the name of the program pass: an orchestrator makes such as `TAPWATCH_SERVICE_HOST`.
fn meant(name: &str, reference: &Value) -> Option<String> {
    let upper = name.to_uppercase();
    let rest = upper.strip_prefix(ENVIRONMENT_PREFIX.trim_end_matches('_'))?;
    let key = rest.trim_start_matches('_');
    if name.starts_with(ENVIRONMENT_PREFIX) || key == rest {
        return None;
    }
    let meant = match spelled(&key.to_lowercase().replace("__", "_"), reference) {
        Some(spelled) => spelled.to_uppercase(),
        None if key.contains("__") => key.to_owned(),
        None => return None,
    };
    Some(format!("{ENVIRONMENT_PREFIX}{meant}"))
}

/// The key of a setting with two underscores between its parts, of one that has one.
fn spelled(key: &str, reference: &Value) -> Option<String> {
    let Value::Object(table) = reference else { return None };
    if table.is_empty() {
        return Some(key.to_owned()); // Any name may stand in it.
    }
    table
        .iter()
        .find_map(|(name, value)| match key.strip_prefix(name.as_str())? {
            "" => Some(name.clone()),
            rest => Some(format!("{name}__{}", spelled(rest.strip_prefix('_')?, value)?)),
        })
}

/// Reads every source into a tree of its own, in order of precedence.
pub(super) fn read(sources: &Sources, reference: &Value, problems: &mut Vec<Problem>) -> Vec<Node> {
    let mut trees = Vec::new();
    if let Some(file) = &sources.file {
        match read_file(file) {
            Ok(tree) => trees.push(tree),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(file) = &sources.rules {
        match read_file(file) {
            Ok(tree) => {
                problems.extend(not_of_rules(&tree));
                trees.push(tree);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let mut environment: Vec<_> = sources
        .environment
        .iter()
        .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
        .collect();
    // A process's environment has no order of its own; two spellings of one key must not take turns in winning.
    environment.sort();
    for (name, _) in &sources.environment {
        if let Some(meant) = meant(name, reference) {
            let message = format!("is no setting, though it looks like one; did you mean {meant}?");
            problems.push(Problem::new(Place::Environment(name.clone()), "", message));
        }
    }
    for (name, text) in environment {
        let key = name[ENVIRONMENT_PREFIX.len()..].to_lowercase();
        trees.push(single(
            key.splitn(DEEPEST_KEY, "__"),
            text,
            &Place::Environment(name.clone()),
        ));
    }
    for flag in &sources.flags {
        match flag.split_once('=') {
            Some((key, text)) => {
                let key = key.trim();
                trees.push(single(key.splitn(DEEPEST_KEY, '.'), text, &Place::Flag(key.to_owned())));
            }
            None => problems.push(Problem::new(Place::Flag(flag.clone()), "", "expects key=value")),
        }
    }
    trees
}

/// What a rule file must not hold.
fn not_of_rules(tree: &Node) -> Vec<Problem> {
    let Content::Table(table) = &tree.content else {
        return Vec::new();
    };
    let others = table.iter().filter(|(key, _)| *key != "programmes");
    let message = "a rule file holds [programmes.*] alone; this belongs into the settings file";
    others
        .map(|(key, node)| Problem::new(node.place.clone(), key, message))
        .collect()
}

/// A tree with one value in it.
fn single<'a>(key: impl Iterator<Item = &'a str>, text: &str, place: &Place) -> Node {
    let leaf = Node {
        place: place.clone(),
        content: Content::Untyped(text.to_owned()),
    };
    // From the innermost outwards; `splitn` itself only runs forwards.
    let segments: Vec<_> = key.collect();
    segments.into_iter().rev().fold(leaf, |node, segment| Node {
        place: place.clone(),
        content: Content::Table(BTreeMap::from([(segment.to_owned(), node)])),
    })
}

fn read_file(file: &SettingsFile) -> Result<Node, Problem> {
    let lines = Lines::of(file);
    match DeTable::parse(&file.text) {
        Ok(table) => Ok(Node {
            place: lines.whole(),
            content: lines.table(table.into_inner()),
        }),
        Err(error) => {
            let (line, column) = lines.position(error.span().map_or(0, |span| span.start));
            Err(Problem::new(
                lines.place(line),
                "",
                format!("not TOML, at column {column}: {}", error.message()),
            ))
        }
    }
}

/// Turns offsets in a file into lines.
struct Lines<'a> {
    file: &'a SettingsFile,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(file: &'a SettingsFile) -> Self {
        let starts = std::iter::once(0)
            .chain(file.text.match_indices('\n').map(|(offset, _)| offset + 1))
            .collect();
        Self { file, starts }
    }

    /// Line and column, both from 1, the column in characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= offset).max(1);
        let before = self.file.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    fn whole(&self) -> Place {
        Place::File {
            path: self.file.path.clone(),
            line: None,
        }
    }

    fn place(&self, line: usize) -> Place {
        Place::File {
            path: self.file.path.clone(),
            line: Some(line),
        }
    }

    fn table(&self, table: DeTable<'_>) -> Content {
        let node = |(key, value): (toml::Spanned<_>, toml::Spanned<_>)| {
            let place = self.place(self.position(key.span().start).0);
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            (
                key.into_owned(),
                Node {
                    place,
                    content: self.content(value.into_inner()),
                },
            )
        };
        Content::Table(table.into_iter().map(node).collect())
    }

    fn content(&self, value: DeValue<'_>) -> Content {
        match value {
            DeValue::String(text) => Content::Scalar(Value::String(text.into_owned())),
            DeValue::Boolean(value) => Content::Scalar(Value::Bool(value)),
            DeValue::Datetime(time) => Content::Scalar(Value::String(time.to_string())),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Content::Scalar(number.into()),
                Err(_) => Content::Impossible(TOO_LARGE),
            },
            DeValue::Float(digits) => match digits.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Content::Scalar(number.into()),
                _ => Content::Impossible(NOT_FINITE),
            },
            DeValue::Array(items) => Content::List(
                items
                    .into_iter()
                    .map(|item| {
                        let place = self.place(self.position(item.span().start).0);
                        Node {
                            place,
                            content: self.content(item.into_inner()),
                        }
                    })
                    .collect(),
            ),
            DeValue::Table(table) => self.table(table),
        }
    }
}

/// A checked tree, as a source for `config`.
#[derive(Clone, Debug)]
struct Layer(Value);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, config::Value>, ConfigError> {
        Ok(Map::from_iter([(ROOT.to_owned(), for_config(&self.0))]))
    }
}

/// Merges checked trees: tables key by key, everything else by the last one.
pub(super) fn merge<'a>(trees: impl IntoIterator<Item = &'a Value>) -> Result<Value, ConfigError> {
    trees
        .into_iter()
        .fold(Config::builder(), |builder, tree| {
            builder.add_source(Layer(tree.clone()))
        })
        .build()?
        .get(ROOT)
}

fn for_config(value: &Value) -> config::Value {
    let kind = match value {
        Value::Null => ValueKind::Nil,
        Value::Bool(value) => ValueKind::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ValueKind::I64(number),
            (None, Some(number)) => ValueKind::U64(number),
            (None, None) => ValueKind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => ValueKind::String(text.clone()),
        Value::Array(items) => ValueKind::Array(items.iter().map(for_config).collect()),
        Value::Object(table) => ValueKind::Table(
            table
                .iter()
                .map(|(key, value)| (key.clone(), for_config(value)))
                .collect(),
        ),
    };
    config::Value::new(None, kind)
}
