//! This program again, under callgrind, performing one scene.

use std::path::PathBuf;
use std::process::Command;

/// Instructions for each unit of the scene.
pub fn count(name: &str) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let report = Report::new(name);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*instructions*counted*"])
        .arg(format!("--callgrind-out-file={}", report.0.display()))
        .arg(program)
        .args(["--perform", name])
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}; install it: apt-get install -y valgrind"))?;
    let words = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{name} failed under valgrind:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let units: u64 = words.trim().parse().map_err(|_| format!("{name} said {words:?} instead of a number"))?;
    let instructions = report.instructions().filter(|instructions| *instructions > 0);
    let instructions = instructions.ok_or_else(|| format!("callgrind counted nothing in {name}: was it stripped?"))?;
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let each = instructions as f64 / units as f64;
    Ok(each)
}

/// Callgrind's file, gone after it was read.
struct Report(PathBuf);

impl Report {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("fanfare-{}-{name}.callgrind", std::process::id())))
    }

    fn instructions(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.0).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")))?;
        line.trim().parse().ok()
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
