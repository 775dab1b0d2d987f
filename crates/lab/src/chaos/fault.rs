//! What can break.

use std::fmt;
use std::ops::RangeInclusive;

use fastrand::Rng;
use serde::Serialize;

/// How long something is stopped or slow.
const PAUSE_MS: RangeInclusive<u64> = 100..=1_500;

/// How long something is away that was killed.
const DOWN_MS: RangeInclusive<u64> = 0..=400;

/// What can break. An instance of the server is 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// kill -9, and a new one after a while.
    KillServer { instance: usize, down_ms: u64 },
    /// SIGSTOP and SIGCONT.
    StopServer { instance: usize, for_ms: u64 },
    /// SIGTERM, and a new one when it has ended.
    DrainServer { instance: usize },
    /// kill -9, and an empty one after a while.
    KillRedis { down_ms: u64 },
    /// SIGSTOP and SIGCONT.
    StopRedis { for_ms: u64 },
    /// FLUSHALL.
    FlushRedis,
    /// SCRIPT FLUSH.
    FlushScripts,
    /// All gates become what they were this long ago.
    RollBackRedis { age_ms: u64 },
    /// kill -9 of the postmaster, and crash recovery after a while.
    KillPostgres { down_ms: u64 },
    /// Immediate shutdown, and crash recovery after a while.
    AbortPostgres { down_ms: u64 },
    /// SIGSTOP of all its processes.
    StopPostgres { for_ms: u64 },
    /// SIGSTOP of one backend of a server.
    StopBackend { pick: usize, for_ms: u64 },
    /// kill -9 of one backend: PostgreSQL recovers from it as from a crash.
    KillBackend { pick: usize },
    /// The same, while another one does not end when it is told to: PostgreSQL waits for it
    /// for 5 s before it recovers.
    KillBackendBesideDeaf { pick: usize },
    /// `pg_terminate_backend`.
    TerminateBackend { pick: usize },
    /// The next COMMITs of an instance arrive, but their answers do not.
    CutAfterCommit { instance: usize, commits: u64 },
    /// The next COMMITs of an instance do not arrive.
    CutBeforeCommit { instance: usize, commits: u64 },
    /// All connections of an instance to PostgreSQL break.
    CutPostgresLink { instance: usize },
    /// Each packet between an instance and PostgreSQL takes longer.
    SlowPostgresLink {
        instance: usize,
        delay_ms: u64,
        for_ms: u64,
    },
    /// Each packet between an instance and Redis takes longer.
    SlowRedisLink {
        instance: usize,
        delay_ms: u64,
        for_ms: u64,
    },
}

impl Fault {
    /// Draws one; the same number of numbers whatever it becomes.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let instance = rng.usize(0..2);
        let pick = rng.usize(0..1_000);
        let for_ms = rng.u64(PAUSE_MS);
        let down_ms = rng.u64(DOWN_MS);
        let commits = rng.u64(1..=5);
        let delay_ms = rng.u64(5..=300);
        match rng.u64(0..20) {
            0 => Self::KillServer { instance, down_ms },
            1 => Self::StopServer { instance, for_ms },
            2 => Self::DrainServer { instance },
            3 => Self::KillRedis { down_ms },
            4 => Self::StopRedis { for_ms },
            5 => Self::FlushRedis,
            6 => Self::FlushScripts,
            7 => Self::RollBackRedis { age_ms: for_ms },
            8 => Self::KillPostgres { down_ms },
            9 => Self::AbortPostgres { down_ms },
            10 => Self::StopPostgres { for_ms },
            11 => Self::StopBackend { pick, for_ms },
            12 => Self::KillBackend { pick },
            13 => Self::TerminateBackend { pick },
            14 => Self::CutAfterCommit { instance, commits },
            15 => Self::CutBeforeCommit { instance, commits },
            16 => Self::CutPostgresLink { instance },
            17 => Self::SlowPostgresLink {
                instance,
                delay_ms,
                for_ms,
            },
            18 => Self::SlowRedisLink {
                instance,
                delay_ms,
                for_ms,
            },
            _ => Self::KillBackendBesideDeaf { pick },
        }
    }

    /// Its name, without numbers.
    pub(crate) fn kind(self) -> String {
        let text = self.to_string();
        text.split(" (").next().unwrap_or(&text).to_owned()
    }

    /// Whether it is one of Redis.
    pub(crate) fn needs_redis(self) -> bool {
        matches!(
            self,
            Self::KillRedis { .. }
                | Self::StopRedis { .. }
                | Self::FlushRedis
                | Self::FlushScripts
                | Self::RollBackRedis { .. }
                | Self::SlowRedisLink { .. }
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillServer { instance, down_ms } => {
                write!(f, "kill -9 server (instance {instance}, away {down_ms} ms)")
            }
            Self::StopServer { instance, for_ms } => {
                write!(f, "stop server (instance {instance}, {for_ms} ms)")
            }
            Self::DrainServer { instance } => {
                write!(f, "drain server (instance {instance})")
            }
            Self::KillRedis { down_ms } => {
                write!(f, "kill -9 redis (away {down_ms} ms)")
            }
            Self::StopRedis { for_ms } => write!(f, "stop redis ({for_ms} ms)"),
            Self::FlushRedis => write!(f, "flushall"),
            Self::FlushScripts => write!(f, "script flush"),
            Self::RollBackRedis { age_ms } => {
                write!(f, "old redis snapshot ({age_ms} ms old)")
            }
            Self::KillPostgres { down_ms } => {
                write!(f, "kill -9 postgres (away {down_ms} ms)")
            }
            Self::AbortPostgres { down_ms } => {
                write!(f, "abort postgres (away {down_ms} ms)")
            }
            Self::StopPostgres { for_ms } => write!(f, "stop postgres ({for_ms} ms)"),
            Self::StopBackend { for_ms, .. } => write!(f, "stop backend ({for_ms} ms)"),
            Self::KillBackend { .. } => write!(f, "kill -9 backend"),
            Self::KillBackendBesideDeaf { .. } => {
                write!(f, "kill -9 backend beside a deaf one")
            }
            Self::TerminateBackend { .. } => write!(f, "terminate backend"),
            Self::CutAfterCommit { instance, commits } => {
                write!(f, "cut after COMMIT (instance {instance}, {commits} times)")
            }
            Self::CutBeforeCommit { instance, commits } => {
                write!(
                    f,
                    "cut before COMMIT (instance {instance}, {commits} times)"
                )
            }
            Self::CutPostgresLink { instance } => {
                write!(f, "cut postgres link (instance {instance})")
            }
            Self::SlowPostgresLink {
                instance,
                delay_ms,
                for_ms,
            } => write!(
                f,
                "slow postgres link (instance {instance}, {delay_ms} ms for {for_ms} ms)"
            ),
            Self::SlowRedisLink {
                instance,
                delay_ms,
                for_ms,
            } => write!(
                f,
                "slow redis link (instance {instance}, {delay_ms} ms for {for_ms} ms)"
            ),
        }
    }
}
