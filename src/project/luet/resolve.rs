//! Which packages are needed for one.

use std::collections::BTreeMap;

use super::metadata::{Id, Package};
use super::{LuetError, PackageRequest, Repository, Selector};

/// Versions that an error names.
const VERSIONS_SHOWN: usize = 12;

/// The package asked for after what it requires. Whatever is chosen once stays: where two packages
/// require versions that do not go together, that is an error and not a search.
pub(super) fn resolve<'r>(
    repository: &'r Repository<'_>,
    request: &PackageRequest,
) -> Result<Vec<&'r Package>, LuetError> {
    let id = (request.category.clone(), request.name.clone());
    let first = choose(repository, &id, &request.version, None)?;
    let mut chosen = BTreeMap::from([(first.id.clone(), first)]);
    let mut done = Vec::new();
    // A package, and how many of its requirements were looked at.
    let mut open = vec![(first, 0)];
    while let Some((package, looked_at)) = open.pop() {
        let Some((id, selector)) = package.requires.get(looked_at) else {
            done.push(package);
            continue;
        };
        open.push((package, looked_at + 1));
        let provider = || chosen.values().find(|other| other.provides.contains(id)).copied();
        match chosen.get(id).copied() {
            Some(there) if selector.admits(&there.version) => {}
            Some(there) => {
                let wanted = describe(id, selector);
                return Err(LuetError::Conflict {
                    repository: repository.place(),
                    package: there.to_string(),
                    other: format!("{wanted}, which {package} requires,"),
                });
            }
            None if provider().is_some() => {}
            None => {
                let next = choose(repository, id, selector, Some(package))?;
                chosen.insert(next.id.clone(), next);
                open.push((next, 0));
            }
        }
    }
    check_conflicts(repository, &done)?;
    Ok(done)
}

/// The newest version that will do; else, the newest package that provides it.
fn choose<'r>(
    repository: &'r Repository<'_>,
    id: &Id,
    selector: &Selector,
    needed_by: Option<&Package>,
) -> Result<&'r Package, LuetError> {
    let versions = repository.packages.get(id).map(Vec::as_slice).unwrap_or_default();
    let found = versions.iter().rev().find(|package| selector.admits(&package.version));
    let provider = || {
        let all = repository.packages.values();
        all.flat_map(|versions| versions.iter().rev()).find(|other| other.provides.contains(id))
    };
    if let Some(found) = found.or_else(provider) {
        return Ok(found);
    }
    let (repository, wanted) = (repository.place(), describe(id, selector));
    if versions.is_empty() {
        let needed_by = needed_by.map(ToString::to_string);
        return Err(LuetError::NoPackage { repository, wanted, needed_by });
    }
    let newest = versions.iter().rev().take(VERSIONS_SHOWN);
    let versions = newest.map(|package| package.version.as_str().to_owned()).collect();
    Err(LuetError::NoVersion { repository, wanted, versions })
}

fn check_conflicts(repository: &Repository<'_>, chosen: &[&Package]) -> Result<(), LuetError> {
    let by_id: BTreeMap<&Id, &Package> =
        chosen.iter().map(|package| (&package.id, *package)).collect();
    for package in chosen {
        for (id, selector) in &package.conflicts {
            if let Some(other) = by_id.get(id).filter(|other| selector.admits(&other.version)) {
                return Err(LuetError::Conflict {
                    repository: repository.place(),
                    package: package.to_string(),
                    other: other.to_string(),
                });
            }
        }
    }
    Ok(())
}

fn describe((category, name): &Id, selector: &Selector) -> String {
    let (category, name, version) = (category.clone(), name.clone(), selector.clone());
    PackageRequest { category, name, version }.to_string()
}
