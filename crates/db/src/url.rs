//! Connection URLs, before anybody reads them.

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
}
