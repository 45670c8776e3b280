//! `--sbom`: the bill of materials beside a result.

use std::path::Path;

use serde_json::json;

use super::summary::Summary;
use crate::recipe::Installed;
use crate::sbom::Subject;

/// Writes `NAME.cdx.json` about the file `file`, if what is installed was asked for.
pub(super) fn write(
    installed: Option<&Installed>,
    (folder, name): (&Path, &str),
    file: &str,
    sha256: Option<[u8; 32]>,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let Some(installed) = installed else { return Ok(()) };
    let subject = Subject { name: file.to_owned(), is_file: true, sha256, ..Subject::default() };
    installed.write(folder, name, &subject)?;
    let path = folder.join(format!("{name}.cdx.json"));
    let packages = installed.inventory.components.len();
    let value = json!({ "path": path.to_string_lossy(), "packages": packages });
    summary.line("sbom", format!("{}  {packages} packages", path.display()), value);
    for note in &installed.inventory.notes {
        summary.line("not in it", note.clone(), note.as_str().into());
    }
    Ok(())
}
