//! Connection URLs: what of libpq's they may say, and what it means.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use crate::tls::{Mode, Root, Tls};

/// Something in a URL that cannot be told from its punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "percent-encode the special characters of the user and the password: % is %25, \
     / is %2F, ? is %3F, # is %23, @ is %40"
)]
pub struct NotEncoded;

/// Refuses a connection URL, of PostgreSQL or of Redis, whose password could be taken for
/// something else: part of it would be shown as a host or as a parameter. A text that is no
/// URL passes.
///
/// # Errors
///
/// [`NotEncoded`], which shows nothing of the URL.
///
/// # Source
///
/// RFC 3986, section 3.2: the host begins after the `@` and user and password have none of
/// these characters.
pub fn check_url(url: &str) -> Result<(), NotEncoded> {
    let Some((_, rest)) = url.split_once("://") else {
        return Ok(());
    };
    let Some((credentials, place)) = rest.split_once('@') else {
        return Ok(());
    };
    if credentials.contains(['/', '?', '#']) || place.contains('@') {
        return Err(NotEncoded);
    }
    Ok(())
}

/// Why a connection URL cannot be used; shows no value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

/// Parameters that mean to tokio-postgres what they mean to libpq.
const SAME: [&str; 13] = [
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "user",
];

/// Parameters of libpq that nothing here does anything for.
///
/// # Source
///
/// PostgreSQL 18, section 32.1.2 "Parameter Key Words".
const UNSUPPORTED: [&str; 27] = [
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslpassword",
    "sslsni",
];

/// Where a connection URL leads, and how.
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
}

impl FromStr for Target {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let pairs = match url.split_once("://") {
            Some(("postgres" | "postgresql", rest)) => pairs_of_url(rest)?,
            Some(_) => return refuse("it does not begin with postgres://"),
            None => pairs_of_words(url)?,
        };
        // Of what is said twice the last counts.
        let pairs: BTreeMap<_, _> = pairs.into_iter().collect();
        let mut said = Said::default();
        for (name, value) in &pairs {
            said.take(name, value)?;
        }
        said.target()
    }
}

/// What the parameters of a URL said.
#[derive(Default)]
struct Said {
    /// For tokio-postgres, in a form that it reads.
    words: String,
    application_name: Option<String>,
    tcp_user_timeout: Duration,
    mode: Option<Mode>,
    root: Option<Root>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Said {
    fn take(&mut self, name: &str, value: &str) -> Result<(), InvalidUrl> {
        match name {
            name if SAME.contains(&name) => return self.pass_on(name, value),
            "keepalives_count" | "keepalives_retries" => {
                return self.pass_on("keepalives_retries", value);
            }
            "application_name" => self.application_name = Some(value.to_owned()),
            "fallback_application_name" => {
                self.application_name.get_or_insert(value.to_owned());
            }
            "tcp_user_timeout" => match value.parse() {
                Ok(ms) => self.tcp_user_timeout = Duration::from_millis(ms),
                Err(_) => {
                    return refuse("tcp_user_timeout is a number of milliseconds");
                }
            },
            "sslmode" => self.mode = Some(value.parse().map_err(InvalidUrl)?),
            // As JDBC says it, which libpq understands, too.
            "ssl" if value == "true" => self.mode = Some(Mode::Require),
            "sslrootcert" if value == "system" => self.root = Some(Root::System),
            "sslrootcert" => self.root = Some(Root::File(value.into())),
            "sslcert" => self.certificate = Some(value.to_owned()),
            "sslkey" => self.key = Some(value.to_owned()),
            "target_session_attrs" => match value {
                // A sale has no use for anything else.
                "any" | "read-write" | "primary" => {}
                _ => return refuse("target_session_attrs: a sale needs the primary"),
            },
            // There is one primary.
            "load_balance_hosts" => {}
            "client_encoding" if matches!(value, "auto" | "UTF8" | "utf8") => {}
            "client_encoding" => return refuse("client_encoding can only be UTF8"),
            "gssencmode" if matches!(value, "disable" | "prefer") => {}
            "gssencmode" => return refuse("gssencmode can only be disable"),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn pass_on(&mut self, name: &str, value: &str) -> Result<(), InvalidUrl> {
        let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
        let word = format!("{name}='{quoted}' ");
        if word.parse::<Config>().is_err() {
            return refuse(&format!("{name} has a value that it cannot have"));
        }
        self.words.push_str(&word);
        Ok(())
    }

    fn target(self) -> Result<Target, InvalidUrl> {
        let config = self.words.parse::<Config>();
        // Each word was read before.
        let mut config =
            config.map_err(|_known| InvalidUrl("it cannot be read".to_owned()))?;
        let name = self.application_name.unwrap_or_default();
        // As long as it is not empty it can be found in pg_stat_activity.
        config.application_name(if name.is_empty() { "flashsale" } else { &name });
        if !self.tcp_user_timeout.is_zero() {
            config.tcp_user_timeout(self.tcp_user_timeout);
        }
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => return refuse("sslcert and sslkey go together"),
        };
        let tls = Tls::new(self.mode, self.root, identity).map_err(InvalidUrl)?;
        tls.check(&config).map_err(InvalidUrl)?;
        Ok(Target { config, tls })
    }
}

fn refuse<T>(sentence: &str) -> Result<T, InvalidUrl> {
    Err(InvalidUrl(sentence.to_owned()))
}

/// A name may be a piece of a password, so only those of libpq are shown.
fn unknown(name: &str) -> InvalidUrl {
    let named = UNSUPPORTED.iter().find(|it| **it == name);
    InvalidUrl(match named {
        Some(name) => format!("its parameter {name} is not supported: leave it out"),
        None => "it has a parameter that libpq does not have: leave it out".to_owned(),
    })
}

/// What stands behind `postgres://`, taken apart.
///
/// # Source
///
/// PostgreSQL 16, section 34.1.1.2 "Connection URIs".
fn pairs_of_url(rest: &str) -> Result<Vec<(String, String)>, InvalidUrl> {
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (place, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, places) = place.rsplit_once('@').unwrap_or(("", place));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (hosts, ports): (Vec<_>, Vec<_>) =
        places.split(',').map(host_and_port).collect();
    let (hosts, ports) = (hosts.join(","), ports.join(","));

    let head = [
        ("user", user),
        ("password", password),
        ("dbname", dbname),
        ("host", &hosts),
        ("port", &ports),
    ];
    let mut pairs = Vec::new();
    for (name, value) in head {
        if !value.trim_matches(',').is_empty() {
            pairs.push((name.to_owned(), decode(value)?));
        }
    }
    for parameter in parameters.split('&').filter(|it| !it.is_empty()) {
        match parameter.split_once('=') {
            Some((name, value)) => pairs.push((decode(name)?, decode(value)?)),
            None => return refuse("one of its parameters has no value"),
        }
    }
    Ok(pairs)
}

fn host_and_port(place: &str) -> (&str, &str) {
    if let Some((host, port)) =
        place.strip_prefix('[').and_then(|it| it.split_once(']'))
    {
        return (host, port.trim_start_matches(':'));
    }
    place.split_once(':').unwrap_or((place, ""))
}

fn decode(text: &str) -> Result<String, InvalidUrl> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => refuse("what is percent-encoded in it is not UTF-8"),
    }
}

/// `host=db user='the shop'`, taken apart.
///
/// # Source
///
/// PostgreSQL 16, section 34.1.1.1 "Keyword/Value Connection Strings".
fn pairs_of_words(text: &str) -> Result<Vec<(String, String)>, InvalidUrl> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((name, behind)) = rest.split_once('=') else {
            return refuse(
                "it is neither postgres://user@host/database nor host=… dbname=…",
            );
        };
        let behind = behind.trim_start();
        let quoted = behind.strip_prefix('\'');
        let mut letters = quoted.unwrap_or(behind).chars();
        let mut value = String::new();
        loop {
            match (letters.next(), quoted) {
                (Some('\'') | None, Some(_)) => break,
                (None, None) => break,
                (Some(letter), None) if letter.is_whitespace() => break,
                (Some('\\'), _) => value.extend(letters.next()),
                (Some(letter), _) => value.push(letter),
            }
        }
        pairs.push((name.trim_end().to_owned(), value));
        rest = letters.as_str().trim_start();
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_encoded_is_refused() {
        for url in [
            "postgres://u:p@ss@host/db",
            "postgres://u:pa/ss@host/db",
            "postgres://u:pa#ss@host/db",
            "postgres://u:p?x@host/db",
            "postgres://u:p@s/s@host/db",
            "postgres://u:p@s?x=y@host/db",
            "redis://:pa/ss@host",
            "redis://:6379/ss@host",
            "redis://:p@ss@host:6379/0",
            "redis://:pa#ss@host",
        ] {
            assert_eq!(check_url(url), Err(NotEncoded), "{url}");
        }
    }

    #[test]
    fn a_url_that_is_encoded_passes() {
        for url in [
            "postgres://u:p%40ss%2F%3F%23@host:5432/db?application_name=shop",
            "postgresql://u@h1:1,h2:2/db?target_session_attrs=read-write",
            "postgres:///db?host=/run/postgresql&user=u",
            "redis://:p%40ss@host:6379/0",
            "rediss://u:p@host/0#insecure",
            "redis+unix:///run/redis.sock?db=1",
            "host=localhost password=p@ss/word",
            "",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
    }

    fn target(url: &str) -> Result<Target, InvalidUrl> {
        url.parse()
    }

    #[test]
    fn the_forms_that_libpq_documents_lead_where_they_say() {
        for (url, address) in [
            ("postgresql://", "an unknown address"),
            ("postgresql://localhost", "localhost:5432"),
            ("postgresql://localhost:5433", "localhost:5433"),
            ("postgres://localhost/mydb", "localhost:5432"),
            ("postgresql://user@localhost", "localhost:5432"),
            ("postgresql://user:secret@localhost", "localhost:5432"),
            (
                "postgresql://other@localhost/otherdb?connect_timeout=10\
                 &application_name=myapp",
                "localhost:5432",
            ),
            (
                "postgresql://host1:123,host2:456/somedb?target_session_attrs=any\
                 &application_name=myapp",
                "host1:123, host2:456",
            ),
            (
                "postgresql:///mydb?host=localhost&port=5433",
                "localhost:5433",
            ),
            (
                "postgresql://[2001:db8::1234]/database",
                "2001:db8::1234:5432",
            ),
            ("postgresql://[2001:db8::1]:6/database", "2001:db8::1:6"),
            (
                "postgresql:///dbname?host=/var/lib/postgresql",
                "/var/lib/postgresql:5432",
            ),
            (
                "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
                "/var/lib/postgresql:5432",
            ),
            (
                "host=localhost port=5432 dbname=mydb connect_timeout=10",
                "localhost:5432",
            ),
            ("host = 'localhost' port = 7 user='it\\'s'", "localhost:7"),
            ("postgres://first/db?host=second", "second:5432"),
        ] {
            assert!(target(url).is_ok(), "{url}");
            assert_eq!(crate::address(url), address, "{url}");
        }
    }

    #[test]
    fn what_a_url_says_of_user_password_and_database_is_taken_as_it_is_meant() {
        let url = "postgres://the%20shop:p%40s%27s%5C@db/the%2Fshop?options=-c%20a=b";
        let config = target(url).expect("sound").config;
        assert_eq!(config.get_user(), Some("the shop"));
        assert_eq!(config.get_password(), Some(&b"p@s's\\"[..]));
        assert_eq!(config.get_dbname(), Some("the/shop"));
        assert_eq!(config.get_options(), Some("-c a=b"));
        assert_eq!(config.get_application_name(), Some("flashsale"));

        let url = "host=db user='the shop' password='p s\\'s' application_name=x \
                   tcp_user_timeout=1500";
        let config = target(url).expect("sound").config;
        assert_eq!(config.get_user(), Some("the shop"));
        assert_eq!(config.get_password(), Some(&b"p s's"[..]));
        assert_eq!(config.get_application_name(), Some("x"));
        let limit = config.get_tcp_user_timeout();
        assert_eq!(limit, Some(&Duration::from_millis(1500)));
    }

    #[test]
    fn the_part_that_is_not_supported_is_named() {
        for (url, part) in [
            ("mysql://db", "postgres://"),
            ("postgres://db:port/shop", "port"),
            ("postgres://db?sslmode=allow", "sslmode can be disable"),
            ("postgres://db?sslmode=verify-ca", "sslrootcert=FILE"),
            (
                "postgres://db?sslmode=require&sslrootcert=system",
                "verify-full",
            ),
            ("postgres://db?sslcert=/a", "sslkey"),
            ("postgres://db?sslnegotiation=direct", "sslmode=require"),
            ("postgres://db?target_session_attrs=standby", "primary"),
            ("postgres://db?service=shop", "service"),
            ("postgres://db?gssencmode=require", "gssencmode"),
            ("postgres://db?client_encoding=LATIN1", "UTF8"),
            ("postgres://db?connect_timeout=soon", "connect_timeout"),
            ("postgres://db?keepalives_count=x", "keepalives_retries"),
            ("postgres://db?tcp_user_timeout=1s", "tcp_user_timeout"),
            ("postgres://db?s3cret", "has no value"),
            ("postgres://db?s3cret=x", "does not have"),
            ("postgres://u:%ff@db", "UTF-8"),
            ("db", "host="),
        ] {
            let refused = target(url).err().expect(url).to_string();
            assert!(refused.contains(part), "{url}: {refused}");
            assert!(!refused.contains("s3cret"), "{url}: {refused}");
        }
    }
}
