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
//!    noted in plain words, the value `dropped`, and the rest read again, so that the next one shows too.
//! 5. What is left is validated even then, so that what settings mean together is said with the rest.

mod check;
mod compose;
mod dropped;
mod plain;
mod problems;
mod source;
#[cfg(test)]
mod tests;
mod typed;
#[cfg(test)]
mod typed_tests;

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

pub use check::{Expect, Pattern};
pub use problems::{Place, Problem, Problems};
pub use source::{ENVIRONMENT_PREFIX, SettingsFile, Sources};
pub use typed::{HomeDefaults, LogSettings, MetricsSettings, Settings, Validated};

use check::Checked;
use dropped::{Dropped, rule_name, steps};

/// Where each setting was written, by key.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    places: BTreeMap<String, Place>,
    dropped: Dropped,
    before: compose::RulesBefore,
}

impl Origins {
    /// The place of `key`, such as `programmes.night.rules[0].hours`; if it was not written itself, that of the nearest
    /// table or list around it, else [`Place::Default`].
    pub fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
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
        let key = self.dropped.key_as_written(key);
        Problem::new(self.place(&key), compose::own_key(&self.before, &key), message)
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
        Self {
            places,
            dropped: Dropped::default(),
            before: compose::RulesBefore::new(),
        }
    }
}

/// What was read from sources, and everything that is wrong with them.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings, without what is wrong.
    pub settings: T,
    /// Where each was written.
    pub origins: Origins,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl<T> Loaded<T> {
    /// The settings, if nothing is wrong with them.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn right(self) -> Result<(T, Origins), Problems> {
        Problems::or(self.problems, (self.settings, self.origins))
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
    read(sources, patterns)?.right()
}

/// The same, with what could be read in spite of everything that is wrong.
fn read<T>(sources: &Sources, patterns: &[Pattern]) -> Result<Loaded<T>, Problem>
where
    T: DeserializeOwned + Serialize + Default,
{
    let reference = serde_json::to_value(T::default())
        .map_err(|error| Problem::new(Place::Default, "", format!("cannot be written: {error}")))?;
    let mut problems = Vec::new();
    let trees = source::read(sources, &reference, &mut problems);
    let mut layers: Vec<Checked> = trees
        .into_iter()
        .map(|tree| check::check(&reference, patterns, tree, &mut problems))
        .collect();
    let before = compose::compose(&mut layers, &mut problems);
    let mut origins = Origins::of(&layers);
    origins.before = before;
    loop {
        let merged = source::merge(std::iter::once(&reference).chain(layers.iter().map(|layer| &layer.tree)))
            .map_err(|error| Problem::new(Place::Default, "", error.to_string()))?;
        let error = match serde_path_to_error::deserialize::<_, T>(&merged) {
            Ok(settings) => {
                return Ok(Loaded {
                    settings,
                    origins,
                    problems,
                });
            }
            Err(error) => error,
        };
        let steps = steps(error.path().iter());
        let composed = origins.dropped.key(&steps);
        let key = compose::own_key(&origins.before, &composed);
        let message = error.inner().to_string();
        if !is_known(&problems, &key, &message) {
            let rule = rule_name(&merged, &steps)
                .map(|name| format!("{name}: "))
                .unwrap_or_default();
            let message = rule + &plain::plain(&message);
            problems.push(Problem::new(origins.place(&composed), key, message));
        }
        if !origins.dropped.discard(&mut layers, &steps) {
            return Ok(Loaded {
                settings: T::default(),
                origins,
                problems,
            });
        }
    }
}

/// Whether what serde says of `key` follows from a problem that is known: what is missing may have been refused, or be
/// written otherwise, and what was left in a table may make none.
fn is_known(problems: &[Problem], key: &str, message: &str) -> bool {
    let within = |outer: &str| problems.iter().any(|problem| is_within(&problem.key, outer));
    match plain::missing(message) {
        Some(name) => {
            let is_sibling = |problem: &Problem| {
                let parent = problem.key.rsplit_once('.').map_or("", |(parent, _)| parent);
                parent == key && problem.message.contains("unknown key")
            };
            within(&format!("{key}.{name}")) || within_itself(problems, key) || problems.iter().any(is_sibling)
        }
        None => within(key),
    }
}

/// Whether there is a problem with `key` as a whole.
fn within_itself(problems: &[Problem], key: &str) -> bool {
    problems.iter().any(|problem| {
        problem.key == key && plain::missing(&problem.message).is_none() && !problem.message.ends_with("is missing")
    })
}

/// Whether `key` is `outer`, or a key or item somewhere in it.
fn is_within(key: &str, outer: &str) -> bool {
    outer.is_empty()
        || key
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
