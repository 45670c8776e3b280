//! The name that somebody probably meant.

/// The known name with the fewest changes from `word`, if those are few: at most a third of its
/// length. Case does not count. Of equally near ones the first is taken.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// No name is longer; the time grows with the product of the lengths.
    const LONGEST: usize = 64;
    let word = word.to_lowercase();
    let letters = word.chars().count();
    if letters > LONGEST {
        return None;
    }
    let most = |name: &str| letters.max(name.chars().count()).div_ceil(3).min(4);
    known
        .into_iter()
        .map(|name| (distance(&word, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= most(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `; did you mean NAME?`, or nothing, as for a word that is a known name itself.
pub(super) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = nearest(word, known).filter(|name| *name != word);
    near.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// Insertions, deletions, substitutions and swaps of neighbours that make `b` of `a` (optimal
/// string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted() {
        for (a, b, changes) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), changes, "{a} {b}");
            assert_eq!(distance(b, a), changes, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["K8S_VERSION", "OS_VERSION", "ARCH"];
        assert_eq!(nearest("K8s_VERSION", known), Some("K8S_VERSION"));
        assert_eq!(nearest("K8_VERSION", known), Some("K8S_VERSION"));
        assert_eq!(nearest("ARHC", known), Some("ARCH"));
        assert_eq!(nearest("platform", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
