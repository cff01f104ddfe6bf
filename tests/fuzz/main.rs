//! The program of the fuzz targets, in two forms.
//!
//! Built with `--cfg fuzzing`, as `tools/fuzz` does, it is libFuzzer, which takes over `main`: the
//! environment variable `TALEA_FUZZ` names the target, and the files that `TALEA_FUZZ_SEEDS` names
//! a folder for are what a run begins with. Built as usual, it lists the targets and reads single
//! inputs again.
#![cfg_attr(fuzzing, no_main)]

use peak_alloc::PeakAlloc;
use talea_tests::fuzz::find;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[cfg(fuzzing)]
mod engine {
    //! libFuzzer's two entry points: one before the first input, one for each.

    use std::path::Path;
    use std::sync::LazyLock;

    use talea_tests::fuzz::Target;

    static TARGET: LazyLock<&Target> = LazyLock::new(|| {
        let name = std::env::var("TALEA_FUZZ").expect("TALEA_FUZZ names a target");
        super::find(&name).expect("TALEA_FUZZ names a target")
    });

    fn begin() {
        let Some(folder) = std::env::var_os("TALEA_FUZZ_SEEDS") else { return };
        for (number, seed) in TARGET.beginnings().iter().enumerate() {
            let path = Path::new(&folder).join(format!("seed-{number:03}"));
            std::fs::write(path, seed).expect("the folder of seeds can be written");
        }
    }

    libfuzzer_sys::fuzz_target!(init: begin(), |input: &[u8]| TARGET.run(input));
}

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => {
            list();
            Ok(())
        }
        [name, files @ ..] if !files.is_empty() => replay(name, files),
        _ => Err("usage: fuzz | fuzz TARGET FILE...".to_owned()),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(fuzzing))]
fn list() {
    for target in talea_tests::fuzz::TARGETS {
        println!("{:<12} {}", target.name, target.what);
    }
}

/// Reads these inputs again; a property that does not hold is a panic, and says so.
#[cfg(not(fuzzing))]
fn replay(name: &str, files: &[&str]) -> Result<(), String> {
    let target = find(name).ok_or_else(|| format!("no target is called {name}"))?;
    for file in files {
        let input = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        println!("{file}: {} bytes", input.len());
        target.run(&input);
    }
    Ok(())
}
