//! What the process uses, under the names that Prometheus' own clients have.
//!
//! The crates that read this from the system would take longer to build than the rest of
//! the metrics together.
//!
//! # Source
//!
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>; proc(5).

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use prometheus::{Counter, IntGauge, Registry};

/// Registers what the system tells. What it does not tell is left out.
pub(super) fn register(registry: &Registry) -> prometheus::Result<()> {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let spent = usage.user_time() + usage.system_time();
        let micros = u64::try_from(spent.num_microseconds()).unwrap_or_default();
        let seconds = Duration::from_micros(micros).as_secs_f64();
        let counter = Counter::new("process_cpu_seconds_total", "CPU time used")?;
        counter.inc_by(seconds);
        registry.register(Box::new(counter))?;
    }
    let values = [
        (
            "process_resident_memory_bytes",
            "Memory in use",
            resident_bytes(),
        ),
        ("process_open_fds", "Open file descriptors", open_files()),
    ];
    for (name, help, value) in values {
        if let Some(value) = value {
            let gauge = IntGauge::new(name, help)?;
            gauge.set(value);
            registry.register(Box::new(gauge))?;
        }
    }
    Ok(())
}

/// Linux only.
fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1_024)
}

/// Linux only.
fn open_files() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}
