//! Settings: raw text from several sources becomes one typed value, or a list of everything that is wrong.
//!
//! Constraints
//! - Nothing is guessed. An unknown key, a value of the wrong type, and a text that does not convert are refused by name,
//!   even where another source overrides them.
//! - Everything wrong is said at once, each with the place to put it right: line, variable, or flag.
//! - Values that may be secret (texts of free tables, what follows `--set key=`) do not show in a place.
//! - The environment and the arguments are given, not looked up; the only I/O is [`SettingsFile::read`].
//!
//! Form
//! - Precedence, lowest first: `T::default()`, the TOML file, the rule file, the environment, `--set`. Tables merge key by key; lists and
//!   scalars are replaced whole.
//! - `TAPWATCH__SECTION__KEY=value` and `--set section.key=value` hold text, which takes the type of the setting: number,
//!   `true` or `false`, or a list with commas. The environment's keys are read in lower case.
//! - A key in a message is its path with dots, and `[0]` for the first item of a list.
//!
//! Operation
//! 1. `source` reads each source into a tree that knows its places.
//! 2. `check` compares each tree with the serialised default and the [`Pattern`]s, converts texts, and drops what is wrong.
//! 3. `compose` puts the rules of presets where a programme names them.
//! 4. The `config` crate merges what is left, and serde reads `T` from it. Where serde refuses a value, the problem is
//!    noted, the value dropped (a list whole), and the rest read again, so that the next one shows too.

mod check;
mod compose;
mod problems;
mod source;
#[cfg(test)]
mod tests;
mod typed;

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_path_to_error::Segment;

pub use check::{Expect, Pattern};
pub use problems::{Place, Problem, Problems};
pub use source::{ENVIRONMENT_PREFIX, SettingsFile, Sources};
pub use typed::{HomeDefaults, LogSettings, MetricsSettings, Settings, Validated};

use check::Checked;

/// Where each setting was written, by key.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Place>);

impl Origins {
    /// The place of `key`, such as `programmes.night.rules[0].hours`; if it was not written itself, that of the nearest
    /// table or list around it, else [`Place::Default`].
    pub fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.0.get(key) {
                return place.clone();
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return Place::Default,
            }
        }
    }

    /// A problem with `key`, at its place.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        Problem::new(self.place(key), key, message)
    }

    fn of<'a>(layers: impl IntoIterator<Item = &'a Checked>) -> Self {
        let mut places = BTreeMap::new();
        for (key, place) in layers.into_iter().flat_map(|layer| &layer.places) {
            // A list is replaced whole: the items of an earlier one are gone.
            let items = format!("{key}[");
            let stale: Vec<String> = places
                .range(items.clone()..)
                .map(|(key, _): (&String, _)| key.clone())
                .take_while(|key| key.starts_with(&items))
                .collect();
            stale.iter().for_each(|key| drop(places.remove(key)));
            places.insert(key.clone(), place.clone());
        }
        Self(places)
    }
}

/// Reads settings of type `T` from `sources` over the defaults of `T`. `patterns` say what is expected where the
/// serialised default does not show it.
///
/// # Errors
/// Everything that is wrong with the sources.
pub fn load<T>(sources: &Sources, patterns: &[Pattern]) -> Result<(T, Origins), Problems>
where
    T: DeserializeOwned + Serialize + Default,
{
    let reference = serde_json::to_value(T::default())
        .map_err(|error| Problem::new(Place::Default, "", format!("cannot be written: {error}")))?;
    let mut problems = Vec::new();
    let trees = source::read(sources, &mut problems);
    let mut layers: Vec<Checked> = trees
        .into_iter()
        .map(|tree| check::check(&reference, patterns, tree, &mut problems))
        .collect();
    compose::compose(&mut layers, &mut problems);
    let origins = Origins::of(&layers);
    let refused = problems.len();
    loop {
        let merged = source::merge(std::iter::once(&reference).chain(layers.iter().map(|layer| &layer.tree)))
            .map_err(|error| Problem::new(Place::Default, "", error.to_string()))?;
        let error = match serde_path_to_error::deserialize::<_, T>(merged) {
            Ok(settings) => return Problems::or(problems, (settings, origins)),
            Err(error) => error,
        };
        let segments: Vec<&Segment> = error.path().iter().collect();
        let key = key_of(&segments);
        // What is missing inside may be missing because it has been refused already.
        if !problems[..refused].iter().any(|problem| is_within(&problem.key, &key)) {
            problems.push(origins.problem(&key, error.inner().to_string()));
        }
        if !discard(&mut layers, &segments) {
            return Problems::or(problems, (T::default(), origins));
        }
    }
}

/// Whether `key` is `outer`, or a key or item somewhere in it.
fn is_within(key: &str, outer: &str) -> bool {
    outer.is_empty()
        || key
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The path of an error as a key.
fn key_of(segments: &[&Segment]) -> String {
    segments.iter().fold(String::new(), |key, segment| match segment {
        Segment::Seq { index } => format!("{key}[{index}]"),
        Segment::Map { key: name } if key.is_empty() => name.clone(),
        Segment::Map { key: name } => format!("{key}.{name}"),
        Segment::Enum { .. } | Segment::Unknown => key,
    })
}

/// Drops what the sources hold at `segments`, or the nearest value around it. False if they hold nothing there: then the
/// default itself is refused.
fn discard(layers: &mut [Checked], segments: &[&Segment]) -> bool {
    let names: Vec<&str> = segments
        .iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(key.as_str()),
            _ => None,
        })
        .collect();
    let depth = |tree: &Value| {
        let mut at = tree;
        names
            .iter()
            .take_while(|&&name| at.get(name).map(|below| at = below).is_some())
            .count()
    };
    let deepest = layers.iter().map(|layer| depth(&layer.tree)).max().unwrap_or(0);
    let Some((last, parents)) = names[..deepest].split_last() else {
        return false;
    };
    for layer in layers.iter_mut() {
        let parent = parents.iter().try_fold(&mut layer.tree, |at, name| at.get_mut(name));
        if let Some(table) = parent.and_then(Value::as_object_mut) {
            table.remove(*last);
        }
    }
    true
}
