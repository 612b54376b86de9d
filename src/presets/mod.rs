//! The rules of programmes that do this job today, each under the name of its programme.
//!
//! Form: a preset is a rule file (`<name>.toml`) in the very language of the settings: one programme, in which nothing
//! holds but what stands there (`presets = []`). It is data; what a preset does is what its rules say, and `settings`
//! reads it as it reads any other file. How each row of a programme's description was understood stands in its file.
//! Their rules of inactivity count all water (`counts`), as the programmes do: with a leak running they see nobody, and a
//! comparison with ours shows it.

mod of_home;
mod words;

#[cfg(test)]
mod tests;

pub use of_home::{RuleOfHome, rules_of_home};
pub use words::{RuleInWords, told_in_words, words};

use serde_json::{Map, Value};

use crate::detect::DetectorSettings;

/// A named set of rules.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name: that of the file, and of the programme in it.
    pub name: &'static str,
    /// The rule file.
    pub text: &'static str,
}

/// Writes the list from the names of the files.
macro_rules! presets {
    ($($name:literal,)+) => {
        /// All presets: welfare first, then leaks.
        pub const PRESETS: &[Preset] = &[$(Preset { name: $name, text: include_str!(concat!($name, ".toml")) }),+];
    };
}

presets! {
    "shanghai-changning",
    "shanghai-jingan",
    "shenzhen-longgang",
    "zhuhai-shishan",
    "taicang",
    "ningbo-haishu",
    "ningbo-zhenhai",
    "liaocheng",
    "sakaki-kizuki",
    "tokyo-2007",
    "k-water",
    "kepco",
    "malaga",
    "kamstrup",
    "kamstrup-10",
    "kamstrup-5",
    "badger-eyeonwater",
    "sfpuc",
    "seoul",
    "neptune",
    "phyn",
}

impl Preset {
    /// The preset of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What its file says of the programme, as it stands there.
    pub fn table(&self) -> Map<String, Value> {
        // The files are part of the program, and a test reads each of them.
        let file = toml::from_str::<Value>(self.text).unwrap_or_default();
        let programme = file.get("programmes").and_then(|programmes| programmes.get(self.name));
        programme.and_then(Value::as_object).cloned().unwrap_or_default()
    }
}

/// What is meant by an unknown name: the name most like it, if one is near.
pub fn likely(name: &str) -> Option<&'static str> {
    let near = PRESETS
        .iter()
        .map(|preset| (strsim::damerau_levenshtein(name, preset.name), preset.name));
    near.filter(|(distance, known)| *distance <= known.len() / 3)
        .min()
        .map(|(_, known)| known)
}

/// Settings of the detectors as a set of rules begins with them that speaks of the detectors in `spoken_of` alone: of
/// those without a rule, the others silent.
///
/// Each detector has a setting `enabled`, a list of `rules`, or both; it is silent where it is not enabled, or has none.
pub fn blank(spoken_of: impl Fn(&str) -> bool) -> Map<String, Value> {
    let defaults = serde_json::to_value(DetectorSettings::default()).unwrap_or_default();
    let Value::Object(mut tables) = defaults else {
        return Map::new();
    };
    for (detector, table) in &mut tables {
        if let Some(enabled) = table.get_mut("enabled") {
            *enabled = Value::Bool(spoken_of(detector));
        }
        if let Some(rules) = table.get_mut("rules") {
            *rules = Value::Array(Vec::new());
        }
        // Severity is what the rules say.
        if let Some(enabled) = table.get_mut("harm").and_then(|harm| harm.get_mut("enabled")) {
            *enabled = Value::Bool(false);
        }
    }
    tables
}
