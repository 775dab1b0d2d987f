//! Who may create SKUs and read audits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::uri::Authority;
use actix_web::http::{Uri, Version};
use subtle::ConstantTimeEq;

use crate::api_error::ApiError;

/// What an admin call needs.
#[derive(Debug, Clone)]
pub enum AdminPolicy {
    /// `Authorization: Bearer` with this token.
    Token(String),
    /// To be sent on this machine, directly and to a loopback name: no page of a stranger
    /// can do that, and no proxy that says of itself that it is one.
    OpenOnLoopback,
    /// Nobody may: the server can be reached from elsewhere and has no token.
    Closed,
}

impl AdminPolicy {
    /// Allows or refuses a call.
    pub(crate) fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        match self {
            Self::OpenOnLoopback if is_direct(request) => Ok(()),
            Self::OpenOnLoopback => Err(ApiError::unauthorized(
                "without a token admin calls work only when they are sent directly to \
                 localhost: start the server with ADMIN_TOKEN and send Authorization: \
                 Bearer ADMIN_TOKEN",
            )),
            Self::Closed => Err(ApiError::unauthorized(
                "admin calls are off: the server has no ADMIN_TOKEN and does not listen \
                 on loopback only",
            )),
            Self::Token(token) => {
                let sent = request.headers().get(header::AUTHORIZATION);
                let sent = sent.and_then(|value| bearer(value.as_bytes()));
                if sent.is_some_and(|sent| sent.ct_eq(token.as_bytes()).into()) {
                    Ok(())
                } else {
                    Err(ApiError::unauthorized(
                        "send Authorization: Bearer ADMIN_TOKEN",
                    ))
                }
            }
        }
    }
}

/// The token of a value of `Authorization`.
///
/// # Source
///
/// RFC 9110, section 11.1: the name of the scheme is case-insensitive.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii_start();
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// Whether a request was made on this machine, by itself and to a loopback name.
fn is_direct(request: &HttpRequest) -> bool {
    let from_here = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let headers = request.headers();
    let to_here = headers.get(header::HOST).is_some_and(names_loopback)
        && request.uri().authority().is_none_or(is_loopback);
    from_here
        && to_here
        && headers.get_all(header::ORIGIN).all(comes_from_loopback)
        && !headers.keys().any(tells_of_a_proxy)
        // What proxies speak that tell nothing about themselves.
        && request.version() >= Version::HTTP_11
}

fn names_loopback(host: &HeaderValue) -> bool {
    Authority::try_from(host.as_bytes()).is_ok_and(|host| is_loopback(&host))
}

/// A page whose origin the browser hides, `null`, is one from elsewhere.
fn comes_from_loopback(origin: &HeaderValue) -> bool {
    Uri::try_from(origin.as_bytes()).is_ok_and(|origin| {
        origin.scheme().is_some() && origin.authority().is_some_and(is_loopback)
    })
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    // `host` skips a name and password that stand before it.
    !authority.as_str().contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
            || host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .and_then(|host| host.parse().ok())
                .is_some_and(|ip: Ipv6Addr| {
                    IpAddr::V6(ip).to_canonical().is_loopback()
                }))
}

fn tells_of_a_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-")
        || matches!(name, "forwarded" | "via" | "x-real-ip" | "x-client-ip")
}
