//! Random layers against a model that knows nothing of trees.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::build::{Tar, merge, show};

/// What a path is: `None` for a directory, else a number that hard links share and the words that
/// describe it.
type Flat = BTreeMap<String, Option<(usize, String)>>;

/// One member: kind, path, and the path of a hard link's target.
type Step = (u8, String, String);

fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn layers() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = (0..6u8, path(), path());
    prop::collection::vec(prop::collection::vec(step, 0..7), 1..5)
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

fn remove(flat: &mut Flat, path: &str) {
    flat.remove(path);
    remove_below(flat, path);
}

fn remove_below(flat: &mut Flat, path: &str) {
    let below = format!("{path}/");
    flat.retain(|other, _| !other.starts_with(&below));
}

/// Adds missing parents; fails when one is no directory.
fn parents(flat: &mut Flat, path: &str) -> Result<(), ()> {
    let Some(parent) = parent(path) else { return Ok(()) };
    parents(flat, parent)?;
    match flat.entry(parent.to_owned()).or_insert(None) {
        None => Ok(()),
        Some(_) => Err(()),
    }
}

/// The expected tree; an error when a layer must be refused.
fn model(layers: &[Vec<Step>]) -> Result<Flat, ()> {
    let mut flat = Flat::new();
    let mut number = 0;
    for layer in layers {
        for (kind, path, _) in layer {
            match kind {
                4 => remove(&mut flat, path),
                5 => remove_below(&mut flat, path),
                _ => {}
            }
        }
        for (kind, path, target) in layer {
            if *kind < 4 {
                number += 1;
            }
            let node = match kind {
                0 => None,
                1 => Some((number, format!("f {path} {number}"))),
                2 => Some((number, format!("p {path}"))),
                3 => match flat.get(target) {
                    Some(Some(node)) => Some(node.clone()),
                    _ => return Err(()),
                },
                _ => continue,
            };
            parents(&mut flat, path)?;
            match (flat.get(path), &node) {
                (Some(None), None) => continue,
                (Some(Some(old)), Some(new)) if old.0 == new.0 => continue,
                _ => {}
            }
            remove(&mut flat, path);
            if *kind == 3
                && !flat.values().flatten().any(|(id, _)| Some(*id) == node.as_ref().map(|n| n.0))
            {
                return Err(());
            }
            flat.insert(path.clone(), node);
        }
    }
    Ok(flat)
}

fn lines(flat: &Flat) -> Vec<String> {
    // A tree lists `a/b` before `a.b`; here no name has a character below the slash.
    let mut first = BTreeMap::new();
    flat.iter()
        .map(|(path, node)| match node {
            None => format!("d {path}"),
            Some((id, words)) => match first.get(id) {
                Some(target) => format!("h {path} {target}"),
                None => {
                    first.insert(*id, path.clone());
                    let mut words: Vec<_> = words.split(' ').map(str::to_owned).collect();
                    words[1].clone_from(path);
                    words.join(" ")
                }
            },
        })
        .collect()
}

fn tars(layers: &[Vec<Step>]) -> Vec<Vec<u8>> {
    let mut number = 0;
    layers
        .iter()
        .map(|layer| {
            let words: Vec<_> = layer
                .iter()
                .map(|(kind, path, target)| {
                    if *kind < 4 {
                        number += 1;
                    }
                    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
                    match kind {
                        0 => format!("d {path}/"),
                        1 => format!("f ./{path} {number}"),
                        2 => format!("p {path}"),
                        3 => format!("h {path} {target}"),
                        4 => format!("f {parent}/.wh.{name} "),
                        _ => format!("f {path}/.wh..wh..opq "),
                    }
                })
                .collect();
            Tar::of(words.iter().map(String::as_str))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn layers_merge_as_the_model_says(layers in layers()) {
        match (merge(&tars(&layers)), model(&layers)) {
            (Ok(rootfs), Ok(flat)) => prop_assert_eq!(show(&rootfs), lines(&flat)),
            (Err(_), Err(())) => {}
            (Ok(rootfs), Err(())) => prop_assert!(false, "accepted: {:?}", show(&rootfs)),
            (Err(error), Ok(flat)) => prop_assert!(false, "{error}, expected {:?}", lines(&flat)),
        }
    }
}
