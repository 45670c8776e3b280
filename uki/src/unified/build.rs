//! Puts an image together while its initrd is still being compressed.

use std::io::{self, Seek, Write};
use std::sync::Arc;

use super::ingredients::check;
use super::kernel::Kernel;
use super::{BuildError, Ingredients, LEN_WARNING, Profile};
use crate::hash::Hash;
use crate::pcr::{Lanes, Measured, Measurement, PolicySignatures, Prediction, predict};
use crate::pe::{Declared, Stub, Writer, sbat};
use crate::signer::Signer;

const INITRD: &str = ".initrd";
const CODE: &str = ".linux";

/// What a part of the image adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The section, or `stub`.
    pub name: String,
    /// Bytes.
    pub len: u64,
}

/// What a way to boot the image leaves in PCR 11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePredictions {
    /// The profile's identifier; empty for an image without profiles.
    pub profile: String,
    /// Predictions by bank and phase; for each device tree that the stub may choose, if there are
    /// several.
    pub predictions: Vec<Prediction>,
}

/// An image that was built. It is not signed, and its checksum is not set.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its length in bytes.
    pub len: u64,
    /// What contributes how much, in the order of the file.
    pub contributions: Vec<Contribution>,
    /// What the stub measures.
    pub measured: Measured,
    /// What PCR 11 will hold, by profile.
    pub predictions: Vec<ProfilePredictions>,
}

impl Built {
    /// Whether many machines will fail to load it: it has [`LEN_WARNING`] bytes or more.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.len >= LEN_WARNING
    }
}

/// An image in the making. What is written to it is the initrd.
#[derive(Debug)]
pub struct Build<W> {
    writer: Writer<W>,
    stub_len: u64,
    measured: Measured,
    /// The base's sections that the stub measures; the initrd is added when it is complete.
    sections: Vec<Measurement>,
    initrd: Lanes,
    profiles: Vec<Profile>,
    policies: Policies,
}

#[derive(Debug)]
struct Policies {
    signer: Option<Arc<dyn Signer>>,
    banks: Vec<Hash>,
    phases: Vec<String>,
}

impl<W: Write + Seek> Build<W> {
    /// Begins an image at the output's current position, with all that goes before the initrd.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn begin(ingredients: Ingredients, output: W) -> Result<Self, BuildError> {
        let mut stub = Stub::parse(&ingredients.stub).map_err(BuildError::Stub)?;
        let kernel = Kernel::parse(&ingredients.kernel)?;
        if kernel.machine != stub.machine() {
            return Err(BuildError::Machine { stub: stub.machine(), kernel: kernel.machine });
        }
        if !kernel.is_nx_compat {
            stub.clear_nx_compat();
        }
        let measured = Measured::by(&stub);
        if ingredients.pcr_signer.is_some() && !measured.contains(CODE) {
            return Err(BuildError::Unmeasured);
        }
        let new_sbat = merge_sbat(&mut stub, &kernel, &ingredients.sbat);
        let profiles = ingredients.profiles.clone();
        let policies = Policies {
            signer: ingredients.pcr_signer.clone(),
            banks: ingredients.banks.clone(),
            phases: ingredients.phases.clone(),
        };
        let mut sections = base(ingredients)?;
        if let Some(content) = new_sbat {
            sections.push((".sbat", content));
        }
        let declared = declare(&sections, &profiles, policies.signer.is_some());
        let mut measurements = Vec::new();
        if let Some(content) = stub.section(".sbat") {
            measurements.push(Measurement::of(".sbat", &content));
        }
        let mut writer = Writer::new(stub, declared, output)?;
        let stub_len = writer.position();
        for (name, content) in sections {
            writer.section(name, &content)?;
            measurements.push(Measurement::of(name, &content));
        }
        writer.begin(INITRD)?;
        measurements.retain(|section| measured.contains(&section.name));
        Ok(Self {
            writer,
            stub_len,
            measured,
            sections: measurements,
            initrd: Lanes::new(),
            profiles,
            policies,
        })
    }

    /// Ends the initrd, signs the policies, and gives the output back, positioned behind the
    /// image.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn finish(mut self) -> Result<(W, Built), BuildError> {
        self.writer.end()?;
        let initrd = Measurement { name: INITRD.to_owned(), digests: self.initrd.finish()? };
        if self.measured.contains(INITRD) {
            self.sections.push(initrd);
        }
        let mut predictions = Vec::new();
        let is_profiled = !self.profiles.is_empty();
        if !is_profiled {
            self.profiles.push(Profile::default());
        }
        for profile in &self.profiles {
            let mut own: Vec<(&str, String)> = Vec::new();
            if is_profiled {
                own.push((".profile", profile.text()?));
            }
            if let Some(cmdline) = &profile.cmdline {
                own.push((".cmdline", cmdline.clone()));
            }
            for (name, content) in &own {
                self.writer.section(name, content.as_bytes())?;
            }
            let predicted = self.policies.predict(&self.sections, &own, &self.measured);
            if let Some(signer) = &self.policies.signer {
                let signatures = PolicySignatures::sign(&predicted, &**signer)?;
                self.writer.section(".pcrsig", signatures.to_json().as_bytes())?;
            }
            let profile = profile.id.clone();
            predictions.push(ProfilePredictions { profile, predictions: predicted });
        }
        let (output, written) = self.writer.finish()?;
        let stub = Contribution { name: "stub".to_owned(), len: self.stub_len };
        let sections = written
            .sections
            .into_iter()
            .map(|section| Contribution { name: section.name, len: section.len.into() });
        let contributions = std::iter::once(stub).chain(sections).collect();
        let built = Built { len: written.len, contributions, measured: self.measured, predictions };
        Ok((output, built))
    }
}

impl<W: Write> Write for Build<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.initrd.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Policies {
    /// `own` sections of a profile take the place of the base's.
    fn predict(
        &self,
        base: &[Measurement],
        own: &[(&str, String)],
        measured: &Measured,
    ) -> Vec<Prediction> {
        let mut sections: Vec<Measurement> =
            own.iter().map(|(name, content)| Measurement::of(name, content.as_bytes())).collect();
        sections.retain(|section| measured.contains(&section.name));
        let replaced = |section: &&Measurement| own.iter().all(|(name, _)| section.name != *name);
        sections.extend(base.iter().filter(replaced).cloned());
        predict_choices(&sections, &self.banks, &self.phases)
    }
}

/// Predictions for each `.dtbauto` that a stub may choose, and for none of them.
pub(super) fn predict_choices(
    sections: &[Measurement],
    banks: &[Hash],
    phases: &[String],
) -> Vec<Prediction> {
    let phases: Vec<&str> = phases.iter().map(String::as_str).collect();
    let (choices, common): (Vec<_>, Vec<_>) =
        sections.iter().cloned().partition(|section| section.name == ".dtbauto");
    let mut predictions = predict(&common, banks, &phases);
    for choice in choices {
        let sections = [&common[..], &[choice]].concat();
        predictions.extend(predict(&sections, banks, &phases));
    }
    predictions
}

/// Merges SBAT levels into the stub. Where they do not fit there, they are a new section's.
fn merge_sbat(stub: &mut Stub, kernel: &Kernel, more: &[Vec<u8>]) -> Option<Vec<u8>> {
    let own = stub.section(".sbat").unwrap_or_default();
    let mut parts: Vec<&[u8]> = vec![&own];
    parts.extend(kernel.sbat.as_deref());
    parts.extend(more.iter().map(Vec::as_slice));
    // A stub's own section is kept byte for byte where nothing is added.
    if parts.len() == 1 {
        return None;
    }
    let merged = sbat::merge(&parts);
    if stub.replace_section(".sbat", &merged) { None } else { Some(merged) }
}

/// The sections before the initrd, in ukify's order.
fn base(ingredients: Ingredients) -> Result<Vec<(&'static str, Vec<u8>)>, BuildError> {
    check("command line", &ingredients.cmdline)?;
    for profile in &ingredients.profiles {
        check("command line", profile.cmdline.as_deref().unwrap_or_default())?;
    }
    let key = ingredients.pcr_signer.map(|signer| signer.public_key().to_pem()).transpose()?;
    let mut sections = Vec::new();
    let mut add = |name, content: Option<Vec<u8>>| {
        sections.extend(content.filter(|content| !content.is_empty()).map(|c| (name, c)));
    };
    add(".osrel", ingredients.os_release);
    add(".cmdline", Some(ingredients.cmdline.into_bytes()));
    add(".dtb", ingredients.device_tree);
    ingredients.device_trees.into_iter().for_each(|tree| add(".dtbauto", Some(tree)));
    add(".hwids", ingredients.hardware_ids);
    add(".uname", ingredients.uname.map(String::into_bytes));
    add(".splash", ingredients.splash);
    add(".pcrpkey", key.map(String::into_bytes));
    add(CODE, Some(ingredients.kernel));
    add(".ucode", ingredients.microcode);
    Ok(sections)
}

fn declare(
    sections: &[(&'static str, Vec<u8>)],
    profiles: &[Profile],
    is_signed: bool,
) -> Vec<Declared> {
    let mut names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    names.push(INITRD);
    for index in 0..profiles.len().max(1) {
        if let Some(profile) = profiles.get(index) {
            names.push(".profile");
            names.extend(profile.cmdline.as_ref().map(|_| ".cmdline"));
        }
        names.extend(is_signed.then_some(".pcrsig"));
    }
    let declared = |name: &str| Declared { name: name.to_owned(), code: name == CODE };
    names.into_iter().map(declared).collect()
}
