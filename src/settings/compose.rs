//! Programmes made of presets: `[programmes.night] presets = ["k-water"]`.
//!
//! A programme that names presets, be it none, is made of these and of what it says itself, and of nothing else: what
//! neither speaks of is silent. Lists of `rules` go one after the other, in the order of the presets, the programme's own
//! last. Ladders of presets become one, in which everybody is told when their own ladder tells them. Of everything else
//! presets must say the same, or the programme says which holds: a preset does under its name what its words say, or
//! nothing. What comes of it stands in the settings in the place of the names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::check::Checked;
use super::problems::{Place, Problem};
use crate::presets::{Preset, blank, likely};

const PRESETS: &str = "presets";
const RULES: &str = "rules";

/// How many rules of presets stand before a programme's own, by the key of the list.
pub(super) type RulesBefore = BTreeMap<String, usize>;

/// Puts what presets say under the layers that name them.
pub(super) fn compose(layers: &mut Vec<Checked>, problems: &mut Vec<Problem>) -> RulesBefore {
    let mut before = RulesBefore::new();
    let names: BTreeSet<String> = layers.iter().flat_map(programme_names).collect();
    let mut base = Checked {
        tree: Value::Object(Map::new()),
        places: Vec::new(),
    };
    let mut programmes = Map::new();
    for name in names {
        let key = format!("programmes.{name}.{PRESETS}");
        let Some(presets) = layers.iter_mut().filter_map(|layer| take_presets(layer, &name)).last() else {
            continue;
        };
        let place = |key: &str| {
            let places = layers.iter().rev().flat_map(|layer| &layer.places);
            let mut found = places.filter(|(known, _)| known == key).map(|(_, place)| place.clone());
            found.next()
        };
        let named_at = place(&key).unwrap_or(Place::Default);
        let mut tables = Map::new();
        for (index, preset) in presets.iter().enumerate() {
            let Some(named) = preset else { continue };
            let mut problem = |message: String| {
                let key = format!("{key}[{index}]");
                let place = place(&key).unwrap_or_else(|| named_at.clone());
                problems.push(Problem::new(place, key, message));
            };
            if presets[..index].contains(preset) {
                problem(format!("the preset {named:?} is named twice"));
            } else if let Some(found) = Preset::find(named) {
                let mut clashes = Vec::new();
                add(&mut tables, found.table(), "", &mut clashes);
                for (path, before, now) in clashes.into_iter().filter(|(path, ..)| !own_value(layers, &name, path)) {
                    problem(format!(
                        "{named} needs {path} = {now}, a preset before it {before}; say in the programme which holds, or \
                         make two programmes of them"
                    ));
                }
            } else {
                let hint = likely(named).map(|likely| format!("; did you mean {likely}?"));
                let hint = hint.unwrap_or_else(|| "; `tapwatch rules` lists them".into());
                problem(format!("no preset {named:?}{hint}"));
            }
        }
        tables.remove(PRESETS);
        let own = |table: &str| {
            layers
                .iter()
                .any(|layer| programme(layer, &name).is_some_and(|own| own.contains_key(table)))
        };
        let mut whole = blank(|detector| tables.contains_key(detector) || own(detector));
        base.places.extend(
            whole
                .keys()
                .map(|detector| (format!("programmes.{name}.{detector}"), named_at.clone())),
        );
        add(&mut whole, tables, "", &mut Vec::new());
        put_own_rules_last(layers, &name, &whole, &named_at);
        for (detector, table) in &whole {
            let rules = table.get(RULES).and_then(Value::as_array).map_or(0, Vec::len);
            before.insert(format!("programmes.{name}.{detector}.{RULES}"), rules);
        }
        programmes.insert(name, Value::Object(whole));
    }
    if !programmes.is_empty() {
        base.tree = Value::Object(Map::from_iter([("programmes".to_owned(), Value::Object(programmes))]));
        layers.insert(0, base);
    }
    before
}

/// The key as its writer counts: rules of presets are not among the programme's own. That of the presets for a rule of theirs.
pub(super) fn own_key(before: &RulesBefore, key: &str) -> String {
    let own = |(list, before): (&String, &usize)| {
        let (index, rest) = key.strip_prefix(list.as_str())?.strip_prefix('[')?.split_once(']')?;
        match index.parse::<usize>().ok()?.checked_sub(*before) {
            Some(index) => Some(format!("{list}[{index}]{rest}")),
            None => {
                let programme = list.rsplitn(3, '.').last()?;
                Some(format!("{programme}.{PRESETS}"))
            }
        }
    };
    before.iter().find_map(own).unwrap_or_else(|| key.to_owned())
}

/// Where two presets say different things: the key, and both values.
type Clash = (String, Value, Value);

/// Adds what a preset says: lists of rules go on, ladders become one, tables are gone through; of everything else the
/// later one holds, and that the earlier was another is noted.
fn add(into: &mut Map<String, Value>, from: Map<String, Value>, path: &str, clashes: &mut Vec<Clash>) {
    for (key, value) in from {
        let below = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => add(into, from, &below, clashes),
            (Some(Value::Array(into)), Value::Array(from)) if key == RULES => into.extend(from),
            (Some(Value::Array(into)), Value::Array(from)) if key == "ladder" => *into = one_ladder(into, &from),
            (Some(Value::Array(into)), Value::Array(from)) if key == "ladder_kinds" => {
                let new: Vec<Value> = from.into_iter().filter(|kind| !into.contains(kind)).collect();
                into.extend(new);
            }
            (Some(Value::String(into)), Value::String(from))
                if matches!(key.as_str(), "title" | "source" | "figures") =>
            {
                if !from.is_empty() && !into.is_empty() {
                    into.push_str("; ");
                }
                into.push_str(&from);
            }
            (before, value) => {
                if let Some(before) = before.filter(|before| **before != value) {
                    clashes.push((below, before.clone(), value.clone()));
                }
                into.insert(key, value);
            }
        }
    }
}

/// Two ladders as one: everybody once, at the minute at which the first of them would tell them.
fn one_ladder(first: &[Value], second: &[Value]) -> Vec<Value> {
    const AFTER: &str = "after_minutes";
    let minute = |step: &Value| step.get(AFTER).and_then(Value::as_u64).unwrap_or(0);
    let timed = |ladder: &[Value]| {
        let mut at = 0;
        let steps = ladder.iter().map(|step| {
            at += minute(step);
            (at, step.clone())
        });
        steps.collect::<Vec<_>>()
    };
    let mut steps = [timed(first), timed(second)].concat();
    steps.sort_by_key(|(at, _)| *at);
    let (mut told, mut last, mut ladder) = (BTreeSet::new(), 0, Vec::new());
    for (at, mut step) in steps {
        if !told.insert(step.get("contact").map(Value::to_string)) {
            continue;
        }
        if let Some(step) = step.as_object_mut() {
            step.insert(AFTER.into(), (at - last).into());
        }
        last = at;
        ladder.push(step);
    }
    ladder
}

/// Whether the programme itself says what `path` is.
fn own_value(layers: &[Checked], name: &str, path: &str) -> bool {
    let says = |layer: &Checked| {
        let own = layer.tree.get("programmes").and_then(|programmes| programmes.get(name));
        path.split('.').try_fold(own?, |at, key| at.get(key)).map(|_| ())
    };
    layers.iter().any(|layer| says(layer).is_some())
}

/// Lists replace each other from layer to layer, so the rules of the presets go before those of the last layer that has
/// any; its places move on with them.
fn put_own_rules_last(layers: &mut [Checked], name: &str, whole: &Map<String, Value>, named_at: &Place) {
    for (detector, table) in whole {
        let Some(Value::Array(rules)) = table.get(RULES).filter(|_| !rules_are_empty(table)) else {
            continue;
        };
        let own = layers.iter_mut().rev().find_map(|layer| {
            let table = programme_mut(&mut layer.tree, name)?.get_mut(detector)?;
            let own = table.get_mut(RULES)?.as_array_mut()?;
            Some((own, &mut layer.places))
        });
        let Some((own, places)) = own else { continue };
        own.splice(0..0, rules.iter().cloned());
        let list = format!("programmes.{name}.{detector}.{RULES}[");
        for (key, _) in places.iter_mut() {
            let shifted = key.strip_prefix(&list).and_then(|rest| {
                let (index, rest) = rest.split_once(']')?;
                let index = index.parse::<usize>().ok()? + rules.len();
                Some(format!("{list}{index}]{rest}"))
            });
            if let Some(shifted) = shifted {
                *key = shifted;
            }
        }
        places.extend((0..rules.len()).map(|index| (format!("{list}{index}]"), named_at.clone())));
    }
}

fn rules_are_empty(table: &Value) -> bool {
    table.get(RULES).and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn programme_names(layer: &Checked) -> Vec<String> {
    let programmes = layer.tree.get("programmes").and_then(Value::as_object);
    programmes
        .into_iter()
        .flat_map(|programmes| programmes.keys().cloned())
        .collect()
}

fn programme<'a>(layer: &'a Checked, name: &str) -> Option<&'a Map<String, Value>> {
    layer.tree.get("programmes")?.get(name)?.as_object()
}

fn programme_mut<'a>(tree: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    tree.get_mut("programmes")?.get_mut(name)?.as_object_mut()
}

/// Takes the names out of a layer; none in the place of one that was refused.
fn take_presets(layer: &mut Checked, name: &str) -> Option<Vec<Option<String>>> {
    let list = programme_mut(&mut layer.tree, name)?.remove(PRESETS)?;
    let names = list.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
    Some(names.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn where_presets_disagree_it_is_noted() {
        let mut whole = table(json!({ "leak": { "rules": [1], "hours": 0 }, "title": "A" }));
        let mut clashes = Vec::new();
        let second = json!({ "leak": { "rules": [2], "hours": 0, "days": 3 }, "title": "B" });
        add(&mut whole, table(second), "", &mut clashes);
        assert_eq!(clashes, []);
        add(&mut whole, table(json!({ "leak": { "hours": 24 } })), "", &mut clashes);
        assert_eq!(clashes, [("leak.hours".to_owned(), json!(0), json!(24))]);
        let expected = json!({ "leak": { "rules": [1, 2], "hours": 24, "days": 3 }, "title": "A; B" });
        assert_eq!(Value::Object(whole), expected);
    }
}
