//! What can break.

use std::fmt;
use std::ops::RangeInclusive;

use fastrand::Rng;
use serde::Serialize;

/// How long something is stopped or slow.
const PAUSE_MS: RangeInclusive<u64> = 100..=1_500;

/// Longer than a latch may count that nobody confirms.
const DEAF_LEAST_MS: u64 = 1_500;

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
    /// All gates are ahead of PostgreSQL, with nothing free, as after it was restored from a
    /// copy and Redis was kept. Orders stay: what was accepted after a copy is lost with it,
    /// and no judge could say more. Servers are stopped for it, or not.
    RestoreDatabase { stops_servers: bool },
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
    /// Redis answers and takes no writes, because it wants a replica that is not there.
    RefuseRedisWrites { for_ms: u64 },
    /// Redis answers and takes no writes, because it is the replica of nobody.
    DemoteRedis { for_ms: u64 },
    /// Immediate shutdown; PostgreSQL comes back as a standby that answers and takes no
    /// writes, and is promoted after a while.
    ReadOnlyPostgres { for_ms: u64 },
    /// A migration of somebody else.
    AddColumn { pick: usize },
    /// The connections of an instance to PostgreSQL go on, and no notification comes over
    /// them: a pooler in between, or a listener that is none any more.
    DeafListener { instance: usize, for_ms: u64 },
    /// The first of the two hosts in the database URL accepts connections and says nothing,
    /// and the connections to the second break.
    HangFirstHost { instance: usize, for_ms: u64 },
    /// kill -9, and a new one whose log cannot be written.
    LogSinkGone { instance: usize },
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
        match rng.u64(0..28) {
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
            19 => Self::KillBackendBesideDeaf { pick },
            20 => Self::RefuseRedisWrites { for_ms },
            21 => Self::DemoteRedis { for_ms },
            22 => Self::ReadOnlyPostgres { for_ms },
            23 => Self::AddColumn { pick },
            24 => Self::HangFirstHost { instance, for_ms },
            25 => Self::LogSinkGone { instance },
            26 => Self::RestoreDatabase {
                stops_servers: instance == 0,
            },
            _ => Self::DeafListener {
                instance,
                for_ms: for_ms + DEAF_LEAST_MS,
            },
        }
    }

    /// Its name, without numbers.
    pub(crate) fn kind(self) -> &'static str {
        self.told().0
    }

    /// Its name, and where its numbers stand.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::KillServer { .. } => {
                ("kill -9 server", "instance {instance}, away {down_ms} ms")
            }
            Self::StopServer { .. } => {
                ("stop server", "instance {instance}, {for_ms} ms")
            }
            Self::DrainServer { .. } => ("drain server", "instance {instance}"),
            Self::KillRedis { .. } => ("kill -9 redis", "away {down_ms} ms"),
            Self::StopRedis { .. } => ("stop redis", "{for_ms} ms"),
            Self::FlushRedis => ("flushall", ""),
            Self::FlushScripts => ("script flush", ""),
            Self::RollBackRedis { .. } => ("old redis snapshot", "{age_ms} ms old"),
            Self::KillPostgres { .. } => ("kill -9 postgres", "away {down_ms} ms"),
            Self::AbortPostgres { .. } => ("abort postgres", "away {down_ms} ms"),
            Self::StopPostgres { .. } => ("stop postgres", "{for_ms} ms"),
            Self::StopBackend { .. } => ("stop backend", "{for_ms} ms"),
            Self::KillBackend { .. } => ("kill -9 backend", ""),
            Self::KillBackendBesideDeaf { .. } => {
                ("kill -9 backend beside a deaf one", "")
            }
            Self::TerminateBackend { .. } => ("terminate backend", ""),
            Self::CutAfterCommit { .. } => {
                ("cut after COMMIT", "instance {instance}, {commits} times")
            }
            Self::CutBeforeCommit { .. } => {
                ("cut before COMMIT", "instance {instance}, {commits} times")
            }
            Self::CutPostgresLink { .. } => {
                ("cut postgres link", "instance {instance}")
            }
            Self::SlowPostgresLink { .. } => (
                "slow postgres link",
                "instance {instance}, {delay_ms} ms for {for_ms} ms",
            ),
            Self::SlowRedisLink { .. } => (
                "slow redis link",
                "instance {instance}, {delay_ms} ms for {for_ms} ms",
            ),
            Self::RefuseRedisWrites { .. } => ("refuse redis writes", "{for_ms} ms"),
            Self::DemoteRedis { .. } => ("demote redis", "{for_ms} ms"),
            Self::ReadOnlyPostgres { .. } => ("read-only postgres", "{for_ms} ms"),
            Self::AddColumn { .. } => ("add column", ""),
            Self::RestoreDatabase {
                stops_servers: true,
            } => ("restore database", "servers stopped"),
            Self::RestoreDatabase { .. } => ("restore database", "servers running"),
            Self::DeafListener { .. } => {
                ("deaf listener", "instance {instance}, {for_ms} ms")
            }
            Self::HangFirstHost { .. } => {
                ("hang first host", "instance {instance}, {for_ms} ms")
            }
            Self::LogSinkGone { .. } => ("log sink gone", "instance {instance}"),
        }
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
                | Self::RestoreDatabase { .. }
                | Self::SlowRedisLink { .. }
                | Self::RefuseRedisWrites { .. }
                | Self::DemoteRedis { .. }
        )
    }
}

/// The name, and in parentheses the numbers.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, numbers) = self.told();
        let mut numbers = numbers.to_owned();
        // JSON names them.
        let json = serde_json::to_value(self).unwrap_or_default();
        let fields = json
            .as_object()
            .and_then(|it| it.values().next()?.as_object());
        for (name, number) in fields.into_iter().flatten() {
            numbers = numbers.replace(&format!("{{{name}}}"), &number.to_string());
        }
        match numbers.as_str() {
            "" => f.write_str(name),
            numbers => write!(f, "{name} ({numbers})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::mem::discriminant;

    use super::*;

    #[test]
    fn every_kind_is_drawn_and_has_a_name_of_its_own() {
        let mut rng = Rng::with_seed(1);
        let drawn: Vec<_> = (0..2_000).map(|_| Fault::draw(&mut rng)).collect();
        let kinds: HashSet<_> = drawn.iter().map(discriminant).collect();
        let names: HashSet<_> = drawn.iter().map(|fault| fault.kind()).collect();
        assert_eq!((kinds.len(), names.len()), (28, 28));
    }

    #[test]
    fn a_fault_is_told_with_its_numbers_to_people_and_programs() {
        let fault = Fault::HangFirstHost {
            instance: 1,
            for_ms: 250,
        };
        assert_eq!(fault.to_string(), "hang first host (instance 1, 250 ms)");
        let json =
            serde_json::json!({"hang-first-host": {"instance": 1, "for_ms": 250}});
        assert_eq!(serde_json::to_value(fault).unwrap(), json);
        assert_eq!(Fault::AddColumn { pick: 3 }.to_string(), "add column");
    }
}
