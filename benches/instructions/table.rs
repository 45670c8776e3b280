//! The committed counts: a line for each workload, with a heading that says where they come from.

use std::collections::BTreeMap;

/// Counts, and the compiler they were taken with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) compiler: String,
    pub(crate) counts: BTreeMap<String, u64>,
}

const COMPILER: &str = "# compiler: ";
const HEADING: &str = "\
# Instructions of each workload, by callgrind.
# Written by: cargo bench --bench instructions -- --bless
";

impl Table {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for line in text.lines() {
            if let Some(compiler) = line.strip_prefix(COMPILER) {
                compiler.clone_into(&mut table.compiler);
            } else if !line.starts_with('#') {
                let mut words = line.split_whitespace();
                let (name, count) = (words.next(), words.next().map(str::parse));
                let (Some(name), Some(Ok(count))) = (name, count) else {
                    return Err(format!("not a name and a number: {line}"));
                };
                table.counts.insert(name.to_owned(), count);
            }
        }
        Ok(table)
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "{HEADING}{COMPILER}{}", self.compiler)?;
        for (name, count) in &self.counts {
            writeln!(out, "{name:20} {count:>12}")?;
        }
        Ok(())
    }
}
