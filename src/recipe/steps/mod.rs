//! What CanvOS's targets do to a root file system, step by step, as far as it is file work.
//!
//! Each step takes an [`Editor`](crate::editor::Editor) and values; which steps apply, and where
//! values come from, is for the caller to know. In CanvOS's order:
//!
//! | target | steps |
//! |---|---|
//! | `base-image` | [`base_image::place`] of cloud configs, [`base_image::load_usb_drivers`], [`base_image::link_kernel`], [`base_image::link_tools`], [`kairos_release::edit`], [`base_image::clean_up`], [`bootargs::edit`] |
//! | `iso-image` | [`layers::lay_over`] the agent, [`installer_image::trim_for_uki`], [`layers::overlay`], [`layers::fix_logrotate`], scripts and [`installer_image::unpack_local_ui`], [`installer_image::forget_host`] |
//! | `provider-image` | [`layers::overlay`] of `etc`, [`layers::fix_logrotate`], [`provider_image::add_provider`], [`provider_image::configure_agent`], [`layers::lay_over`] or [`provider_image::link_kubernetes`], [`installer_image::forget_host`] |
//! | `uki-provider-image` | [`layers::overlay`] of `etc`, [`layers::fix_logrotate`], [`upgrade_image::fill`] |

pub mod base_image;
pub mod bootargs;
pub mod installer_image;
pub mod kairos_release;
pub mod layers;
pub mod provider_image;
pub mod upgrade_image;

use bootwright_oci::GraftError;

use crate::editor::EditError;

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A file of the root file system.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Files of one image over those of another.
    #[error("cannot lay {what} over the root file system")]
    Graft {
        /// What was to be laid over.
        what: &'static str,
        /// The cause.
        source: GraftError,
    },
    /// A link of the Kubernetes tree where a file is already.
    #[error("/{path} exists already and cannot become a link into {folder}")]
    Taken {
        /// The path.
        path: String,
        /// Where the link would lead.
        folder: &'static str,
    },
}
