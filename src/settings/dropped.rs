//! Values that serde refused and that were dropped to read on, so that the next mistake shows too.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_path_to_error::Segment;

use super::check::Checked;

/// One step of a path into settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(String),
    /// An item of a list.
    Item(usize),
}

/// A path as serde says it.
pub(super) fn steps<'a>(segments: impl Iterator<Item = &'a Segment>) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Item(*index)),
        Segment::Map { key: name } | Segment::Enum { variant: name } => Some(Step::Key(name.clone())),
        Segment::Unknown => None,
    };
    segments.map_while(step).collect()
}

/// Items that were dropped, by the key of their list: what is left keeps the numbers under which it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Dropped(BTreeMap<String, Vec<usize>>);

impl Dropped {
    /// The key of a path into what is left, as it was written.
    pub fn key(&self, steps: &[Step]) -> String {
        steps.iter().fold(String::new(), |key, step| match step {
            Step::Key(name) if key.is_empty() => name.clone(),
            Step::Key(name) => format!("{key}.{name}"),
            Step::Item(item) => format!("{key}[{}]", self.as_written(&key, *item)),
        })
    }

    /// The same for a key in words, such as `programmes.night.rules[1].hours`.
    pub fn key_as_written(&self, key: &str) -> String {
        let mut written = String::new();
        let mut rest = key;
        while let Some((before, after)) = rest.split_once('[') {
            written += before;
            let Some((item, after)) = after.split_once(']') else {
                break;
            };
            let item = match item.parse() {
                Ok(number) => self.as_written(&written, number).to_string(),
                Err(_) => item.to_owned(),
            };
            written += &format!("[{item}]");
            rest = after;
        }
        written + rest
    }

    fn as_written(&self, list: &str, item: usize) -> usize {
        let dropped = self.0.get(list).into_iter().flatten();
        dropped.fold(item, |item, dropped| item + usize::from(*dropped <= item))
    }

    /// Drops what the layers hold at `steps`, or the nearest value around it. False if they hold nothing there: then the
    /// default itself is refused.
    pub fn discard(&mut self, layers: &mut [Checked], steps: &[Step]) -> bool {
        let depth = |tree: &Value| {
            let mut at = tree;
            steps
                .iter()
                .take_while(|step| below(at, step).map(|next| at = next).is_some())
                .count()
        };
        let deepest = layers.iter().map(|layer| depth(&layer.tree)).max().unwrap_or(0);
        let Some((last, parents)) = steps[..deepest].split_last() else {
            return false;
        };
        let key = self.key(parents);
        // Lists are replaced whole: it is the last one that holds.
        for layer in layers.iter_mut().rev() {
            let parent = parents.iter().try_fold(&mut layer.tree, |at, step| match step {
                Step::Key(name) => at.get_mut(name),
                Step::Item(item) => at.get_mut(*item),
            });
            match (last, parent) {
                (Step::Key(name), Some(Value::Object(table))) => drop(table.remove(name)),
                (Step::Item(item), Some(Value::Array(items))) if *item < items.len() => {
                    items.remove(*item);
                    let written = self.as_written(&key, *item);
                    let dropped = self.0.entry(key).or_default();
                    dropped.push(written);
                    dropped.sort_unstable();
                    return true;
                }
                _ => {}
            }
        }
        true
    }
}

fn below<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(name) => value.get(name),
        Step::Item(item) => value.get(*item),
    }
}

/// The name of the rule in which a path lies, if it has one.
pub(super) fn rule_name<'a>(whole: &'a Value, steps: &[Step]) -> Option<&'a str> {
    let mut at = whole;
    let mut in_rules = false;
    for step in steps {
        at = below(at, step)?;
        if in_rules {
            return at.get("name")?.as_str();
        }
        in_rules = matches!(step, Step::Key(name) if name == "rules");
    }
    None
}
