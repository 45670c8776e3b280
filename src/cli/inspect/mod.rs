//! `bootwright inspect`: one description of a file, shown as an outline or as JSON.

mod disk;
mod firmware;
mod iso;
mod outline;
mod pe;
mod squashfs;

use std::fs::File;

use anyhow::Context;

use super::args::InspectArgs;
use super::print;
use crate::identify::{Format, identify};
use crate::raw;

/// Runs the command.
pub(super) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let mut file =
        File::open(&args.file).with_context(|| format!("cannot open {:?}", args.file))?;
    let description =
        match identify(&mut file).with_context(|| format!("cannot read {:?}", args.file))? {
            Some(Format::Disk) => disk::describe(&file, false),
            Some(Format::Gzip) => {
                let unpacked = raw::unpack(&args.file)
                    .with_context(|| format!("cannot unpack {:?}", args.file))?;
                disk::describe(&unpacked, true)
            }
            Some(Format::Iso) => iso::describe(file).map_err(anyhow::Error::from),
            Some(Format::Pe) => pe::describe(file),
            Some(Format::SignatureLists) => firmware::describe_lists(file),
            Some(Format::SignedVariable) => firmware::describe_variable(file),
            Some(Format::Squashfs) => squashfs::describe(&mut file, 0).map_err(anyhow::Error::from),
            None => anyhow::bail!("{:?} is of no format that can be inspected", args.file),
        }
        .with_context(|| format!("cannot make sense of {:?}", args.file))?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&description)?)
    } else {
        outline::render(&description)
    };
    print(text.as_bytes())
}
