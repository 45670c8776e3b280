//! The library does what the program does, several times at once if need be, and stops when told.

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bootwright::image::{Observer, Silent};
use bootwright::oci::Reference;
use bootwright::recipe::iso::IsoRecipe;
use bootwright::recipe::{RecipeError, Source};

use crate::fixture::iso_named;
use crate::small;
use crate::tools::run;

fn recipe(base: &Path, jobs: usize) -> IsoRecipe {
    let base = Reference::Layout { dir: base.into(), tag: None };
    IsoRecipe::new(Source { jobs: NonZeroUsize::new(jobs).unwrap(), ..Source::new(base) })
}

fn in_memory(recipe: &IsoRecipe) -> Vec<u8> {
    let mut output = Cursor::new(Vec::new());
    let report = recipe.prepare(&Silent).unwrap().write(&mut output, &Silent).unwrap();
    assert_eq!(report.len, output.get_ref().len() as u64);
    output.into_inner()
}

#[test]
fn two_isos_built_at_once_in_memory_have_the_programs_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    run(&mut iso_named(&base, folder.path(), "program"));
    let program = std::fs::read(folder.path().join("program.iso")).unwrap();
    std::thread::scope(|scope| {
        let builds = [1, 3].map(|jobs| {
            let recipe = recipe(&base, jobs);
            scope.spawn(move || in_memory(&recipe))
        });
        for build in builds {
            assert!(build.join().unwrap() == program, "the library's ISO differs");
        }
    });
}

#[test]
fn a_build_stops_soon_after_it_is_told_to() {
    /// Lets the build ask a few times before it says stop.
    struct Impatient(AtomicUsize);
    impl Observer for Impatient {
        fn cancelled(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) > 3
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    let output = folder.path().join("output");
    let observer = Impatient(AtomicUsize::new(0));
    let result = recipe(&base, 2).write_file(&output, "stopped", &observer);
    assert!(matches!(result, Err(RecipeError::Cancelled)), "{result:?}");
    assert!(!output.exists() || std::fs::read_dir(&output).unwrap().next().is_none());
}
