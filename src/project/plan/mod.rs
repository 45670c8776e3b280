//! What a target takes in, does and leaves: a pure function of a project.

mod build;
mod input;
mod places;
mod show;
mod step;
pub mod supplied;

use super::problem::Problems;
use super::target::Target;

pub use build::plan;
pub use input::{Input, Source};
pub use step::{
    AgentPack, Composite, Disk, Genkey, Installer, IsoDiskImage, MaasDisk, Program, ProviderImage,
    RootFs, Step, Trusted, UkiInstaller,
};

/// What will be done for a target.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The target.
    pub target: Target,
    /// The steps, in order.
    pub steps: Vec<Planned>,
    /// What speaks against it, beside what is wrong with the project itself.
    pub problems: Problems,
    /// The cluster profile to show at the end.
    pub profile: Option<String>,
}

/// A step with what goes in.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// Its files and images.
    pub inputs: Vec<Input>,
    /// Programs that would have to run in the image: the key that asks for them, and what they do.
    pub programs: Vec<(&'static str, &'static str)>,
}
