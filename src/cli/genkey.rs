//! `bootwright genkey`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::args::GenkeyArgs;
use super::summary::Summary;
use super::{Usage, epoch, print};
use crate::image::Timestamp;
use crate::recipe::genkey::{Keys, KeysRecipe, microsoft_names};
use crate::uki::keys::{MicrosoftSet, Validity};

/// Runs the command and prints its summary.
pub(super) fn run(args: GenkeyArgs, as_json: bool) -> anyhow::Result<()> {
    let time = match epoch::from_environment()? {
        Some(epoch) => epoch,
        None => now(),
    };
    let keys = match (args.bring_your_own_keys, args.org) {
        (true, _) => Keys::Present,
        (false, Some(organisation)) => {
            let validity = Validity::days(time, args.expiration_in_days);
            Keys::New { organisation, bits: args.rsa_bits.into(), validity }
        }
        (false, None) => {
            return Err(Usage("--org is needed for new keys: it names their owner".into()).into());
        }
    };
    let microsoft: MicrosoftSet = args.microsoft.into();
    let recipe =
        KeysRecipe { keys, microsoft, exported: args.exported_keys, extra_db: args.extra_db, time };
    let files = recipe.write(&args.output)?;

    let mut summary = Summary::default();
    for (variable, name) in microsoft_names(microsoft) {
        let text = format!("{name} in {variable}");
        summary.line("also trusted", text, json!([variable.name(), name]));
    }
    for file in files {
        let path = args.output.join(file).display().to_string();
        summary.line("output", path.clone(), path.into());
    }
    print(summary.render(as_json).as_bytes())
}

#[expect(clippy::disallowed_methods, reason = "keys are random, and valid from today on")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
