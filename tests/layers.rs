//! The layout of the source: dependencies point down only, and the core and the engine touch nothing of the world.
//!
//! Read from the source itself: every path in a `use` line or in the code that begins at the crate's root, climbs there
//! by `super`, or names one of the crates and parts of `std` below. Comments and texts do not count, and neither do
//! files of tests (`tests.rs`, `*_tests.rs`, folders `tests`), which are no part of the program.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules, top first. A module may use its own and those on the lines below it.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["verify"],
    &["kafka"],
    &["telemetry"],
    &["engine"],
    &["train"],
    &["backtest"],
    &["simulate"],
    &["history"],
    &["settings"],
    &["presets"],
    &["partition"],
    &["area"],
    &["alert", "detect"],
    &["home"],
    &["ingest"],
    &["model"],
    &["parallel"],
];

/// An arrow upward that is allowed: to one item, for a reason.
struct Exception {
    from: &'static str,
    item: &'static str,
    reason: &'static str,
}

const fn settings_may_use(item: &'static str) -> Exception {
    Exception {
        from: "settings",
        item,
        reason: "the whole configuration is one typed value, and a part that only a shell reads is declared in that shell",
    }
}

const EXCEPTIONS: &[Exception] = &[
    settings_may_use("engine::EngineSettings"),
    settings_may_use("kafka::KafkaSettings"),
    settings_may_use("kafka::TopicNames"),
    settings_may_use("telemetry::LogFormat"),
];

/// Modules in which nothing of the world may be named.
const PURE: &[&str] = &[
    "engine",
    "partition",
    "area",
    "alert",
    "detect",
    "home",
    "ingest",
    "model",
];

/// Folders in other modules of which the same holds.
const PURE_FOLDERS: &[&str] = &["verify/faults"];

/// What that is.
const WORLD: &[&str] = &[
    "tokio",
    "rdkafka",
    "prometheus",
    "axum",
    "std::fs",
    "std::net",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// A path in a source, with its line: `crate::home::Usage` is `["crate", "home", "Usage"]`, a glob ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference {
    line: usize,
    path: Vec<String>,
}

/// A breach of the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// The source with comments, texts and characters blanked; lines stay where they are.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = code
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = (!after_word).then(|| raw_text(rest)).flatten() {
            length
        } else if first == '"' {
            quoted(rest, '"').unwrap_or(rest.len())
        } else if first == '\'' {
            // A character, or else a lifetime, whose quote alone is passed over.
            character(rest).unwrap_or(1)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        code.extend(rest[..length].chars().filter(|c| *c == '\n'));
        rest = &rest[length..];
    }
    code
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw text such as `r#"…"#`, if one begins here.
fn raw_text(text: &str) -> Option<usize> {
    let start = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = start.chars().take_while(|c| *c == '#').count();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text.len() - body.len() + body.find(&end)? + end.len())
}

/// The length of what stands between two quotes, both included.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn character(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    match (chars.next()?, chars.next()?) {
        ('\\', _) => quoted(text, '\''),
        (c, '\'') => Some(c.len_utf8() + 2),
        _ => None,
    }
}

/// Words, `::`, and single signs, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push((line + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Every path of two parts or more, and every single name in a `use` line.
fn references(source: &str) -> Vec<Reference> {
    let code = code_of(source);
    let tokens = tokens(&code);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let in_use = at > 0 && text(at - 1) == "use";
        if in_use && text(at) == "::" {
            at += 1;
        } else if is_word(text(at)) && (in_use || text(at + 1) == "::") || (in_use && text(at) == "{") {
            at = read_tree(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads a path, or a tree of them in braces, from `at` on; answers where it ends.
fn read_tree(tokens: &[(usize, &str)], mut at: usize, before: &[String], found: &mut Vec<Reference>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut path = before.to_vec();
    loop {
        let Some((line, token)) = tokens.get(at).copied() else {
            return at;
        };
        if token == "{" {
            at += 1;
            while at < tokens.len() && text(at) != "}" {
                at = if is_word(text(at)) || matches!(text(at), "*" | "{") {
                    read_tree(tokens, at, &path, found)
                } else {
                    at + 1
                };
            }
            return at + 1;
        }
        if is_word(token) || token == "*" {
            // `self` at the end of a tree is the path before it.
            if token != "self" || path.is_empty() {
                path.push(token.to_owned());
            }
            at += 1;
        }
        let goes_on = text(at) == "::" && (is_word(text(at + 1)) || matches!(text(at + 1), "{" | "*"));
        if !goes_on {
            found.push(Reference { line, path });
            // The new name of an item is no path.
            return if text(at) == "as" { at + 2 } else { at };
        }
        at += 1;
    }
}

/// The module at the top of the tree that `file` (relative to `src`) belongs to, and how many `super` lead to the root.
fn place(file: &Path) -> (String, usize) {
    let parts: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let is_folder = parts.last().is_some_and(|last| last == "mod");
    (parts[0].clone(), parts.len() - usize::from(is_folder))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The path from the crate's root, if this one leads there.
fn from_root(path: &[String], depth: usize) -> Option<&[String]> {
    let climbs = path.iter().take_while(|part| *part == "super").count();
    match path.first()?.as_str() {
        "crate" | "tapwatch" => Some(&path[1..]),
        // Modules within a file make the climb longer than it is: only what is a module of the root counts.
        "super" if climbs >= depth => path
            .get(climbs..)
            .filter(|rest| rest.first().is_some_and(|m| layer(m).is_some())),
        _ => None,
    }
}

/// Whether a path of the standard library or of a crate reaches `part`, or brings in a module that holds it.
fn reaches(path: &[String], part: &str) -> bool {
    let parts: Vec<&str> = part.split("::").collect();
    let path: Vec<&str> = path.iter().map(String::as_str).filter(|part| *part != "*").collect();
    let common = path.len().min(parts.len());
    let is_open = path.len() >= parts.len() || path.len() >= 2 || part == path.join("::");
    !path.is_empty() && path[..common] == parts[..common] && is_open
}

fn check(file: &Path, source: &str) -> Vec<Breach> {
    let (module, depth) = place(file);
    let name = format!("src/{}", file.display());
    let breach = |line: usize, what: String| Breach {
        file: name.clone(),
        line,
        what,
    };
    if module == "lib" {
        return Vec::new();
    }
    let Some(own) = layer(&module) else {
        return vec![breach(1, format!("module `{module}` has no place in LAYERS"))];
    };
    let is_pure = PURE.contains(&module.as_str()) || PURE_FOLDERS.iter().any(|folder| file.starts_with(folder));
    let mut breaches = Vec::new();
    for Reference { line, path } in references(source) {
        if let Some(rest) = from_root(&path, depth) {
            let item = rest.join("::");
            match rest.first().map(|target| (target, layer(target))) {
                None => {}
                Some((target, None)) => {
                    let what = format!("{module} -> {target}: `{target}` has no place in LAYERS");
                    breaches.push(breach(line, what));
                }
                Some((target, Some(_))) if *target == module => {}
                Some((_, Some(rank))) if rank > own => {}
                Some((target, Some(_))) => {
                    let is_allowed = EXCEPTIONS.iter().any(|exception| {
                        let rest = item.strip_prefix(exception.item);
                        exception.from == module && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
                    });
                    if !is_allowed {
                        breaches.push(breach(line, format!("{module} -> {target} points upward (`{item}`)")));
                    }
                }
            }
        } else if let Some(part) = WORLD.iter().find(|part| is_pure && reaches(&path, part)) {
            breaches.push(breach(
                line,
                format!("{module} must not name {part} (`{}`)", path.join("::")),
            ));
        }
    }
    breaches
}

/// All files below `folder` that belong to the program.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if path.is_file() && name.ends_with(".rs") && name != "tests.rs" && !name.ends_with("_tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn dependencies_point_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut seen = BTreeSet::new();
    let mut breaches = Vec::new();
    for path in &files {
        let file = path.strip_prefix(&root).expect("it was found below the root");
        seen.insert(place(file).0);
        breaches.extend(check(file, &fs::read_to_string(path).expect("a source is UTF-8")));
    }
    let partition = fs::read_to_string(root.join("partition/speak.rs")).expect("a source is UTF-8");
    let reads_arrows = references(&partition)
        .iter()
        .any(|reference| reference.path.starts_with(&["crate".into(), "detect".into()]));
    assert!(
        reads_arrows,
        "the arrow from partition to detect is not seen: nothing is checked"
    );
    assert!(
        PURE.iter().all(|module| seen.contains(*module)),
        "a module is gone: {seen:?}"
    );
    let lines: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(lines.is_empty(), "the layout is broken:\n{}", lines.join("\n"));
}

/// The breaches of a made-up file, as text.
fn breaches(file: &str, source: &str) -> Vec<String> {
    check(Path::new(file), source).iter().map(Breach::to_string).collect()
}

#[test]
fn an_arrow_upward_is_caught_in_every_form() {
    let source = r#"
        use crate::model::EventTime;
        use crate::{model::{DAY, Alert}, kafka::KafkaSource as Source};
        use super::super::partition::{self, Rules};
        fn f(x: crate::engine::Step) -> &'static str { let c = '"'; "crate::app::hidden" } // crate::cli::hidden
        /* use crate::cli; /* nested */ */
        const T: &str = r"crate::app";
        pub use crate::detect::*;
    "#;
    assert_eq!(
        breaches("home/floor.rs", source),
        [
            "src/home/floor.rs:3: home -> kafka points upward (`kafka::KafkaSource`)",
            "src/home/floor.rs:4: home -> partition points upward (`partition`)",
            "src/home/floor.rs:4: home -> partition points upward (`partition::Rules`)",
            "src/home/floor.rs:5: home -> engine points upward (`engine::Step`)",
            "src/home/floor.rs:8: home -> detect points upward (`detect::*`)",
        ]
    );
    assert_eq!(
        breaches("detect/leak/mod.rs", "use crate::alert::Case;"),
        ["src/detect/leak/mod.rs:1: detect -> alert points upward (`alert::Case`)"],
        "modules of one line do not use each other"
    );
    assert_eq!(
        breaches("gossip.rs", ""),
        ["src/gossip.rs:1: module `gossip` has no place in LAYERS"]
    );
    assert_eq!(
        breaches("home/mod.rs", "use crate::gossip::Talk;"),
        ["src/home/mod.rs:1: home -> gossip: `gossip` has no place in LAYERS"]
    );
}

#[test]
fn the_world_is_caught_in_the_core_and_only_there() {
    let source = "
        use std::{fs::File, time::{Duration, Instant}};
        use std::time;
        use tokio;
        fn f() { ::std::thread::sleep(Duration::ZERO); rdkafka::get(); std::mem::take(x) }
        use std::collections::BTreeMap;
        use std::fmt;
    ";
    assert_eq!(
        breaches("engine/instance.rs", source),
        [
            "src/engine/instance.rs:2: engine must not name std::fs (`std::fs::File`)",
            "src/engine/instance.rs:2: engine must not name std::time::Instant (`std::time::Instant`)",
            "src/engine/instance.rs:3: engine must not name std::time::SystemTime (`std::time`)",
            "src/engine/instance.rs:4: engine must not name tokio (`tokio`)",
            "src/engine/instance.rs:5: engine must not name std::thread (`std::thread::sleep`)",
            "src/engine/instance.rs:5: engine must not name rdkafka (`rdkafka::get`)",
        ]
    );
    assert_eq!(breaches("kafka/source.rs", source), Vec::<String>::new());
}

#[test]
fn exceptions_are_for_the_item_named_and_have_a_reason() {
    assert_eq!(
        breaches("settings/typed.rs", "use crate::kafka::{KafkaSettings, TopicNames};"),
        Vec::<String>::new()
    );
    assert_eq!(
        breaches(
            "settings/typed.rs",
            "fn f() { crate::engine::EngineSettings::default() }"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        breaches("settings/typed.rs", "use crate::kafka::KafkaSource;"),
        ["src/settings/typed.rs:1: settings -> kafka points upward (`kafka::KafkaSource`)"]
    );
    assert_eq!(
        breaches("history/mod.rs", "use crate::kafka::KafkaSettings;").len(),
        1,
        "an exception is its module's alone"
    );
    assert!(EXCEPTIONS.iter().all(|exception| !exception.reason.is_empty()));
}
