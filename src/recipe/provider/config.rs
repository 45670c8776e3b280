//! From a Dockerfile's config to an image's.

use bootwright_oci::write::{HistoryEntry, ImageConfig};
use serde_json::json;

use crate::dockerfile::Config;

/// Puts everything that a Dockerfile can set into a config. All its lines are in the history, as
/// such without a layer: what they did is in the one layer that follows.
pub(super) fn apply(config: &Config, image: &mut ImageConfig) {
    for (name, value) in &config.env {
        image.set_env(name, value);
    }
    for (name, value) in &config.labels {
        image.set_label(name, value);
    }
    image.set_entrypoint(config.entrypoint.as_deref().unwrap_or_default());
    image.set_cmd(config.cmd.as_deref().unwrap_or_default());
    if let Some(shell) = &config.shell {
        image.set_shell(shell);
    }
    if !config.user.is_empty() {
        image.set_user(&config.user);
    }
    if !config.working_dir.is_empty() {
        image.set_working_dir(&config.working_dir);
    }
    config.exposed_ports.iter().for_each(|port| image.expose(port));
    config.volumes.iter().for_each(|path| image.add_volume(path));
    if let Some(signal) = &config.stop_signal {
        image.set_stop_signal(signal);
    }
    if let Some(check) = &config.healthcheck {
        image.set_healthcheck(json!({
            "Test": check.test,
            "Interval": check.interval,
            "Timeout": check.timeout,
            "StartPeriod": check.start_period,
            "StartInterval": check.start_interval,
            "Retries": check.retries,
        }));
    }
    for line in &config.history {
        let created_by = line.created_by.clone();
        image.add_history(&HistoryEntry { created_by, empty_layer: true, ..Default::default() });
    }
}
