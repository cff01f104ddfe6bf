//! Who asks: nobody in particular, or whoever proves a device's key.
//!
//! A private cooperative is read with three headers: `Talea-Device`, `Talea-Time` and
//! `Talea-Signature` (hexadecimal; the time in ms), the last over method, path and query, this
//! node's key and the time. Whether the device is enrolled is asked where the cooperative is.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use talea_protocol::bytes::from_hex;
use talea_protocol::key::{DeviceKey, NodeKey, Purpose, Signature, examine, verify_for};

use super::Shared;
use super::problem::Problem;

/// A request is answered when its time and this node's clock are at most so far apart, in ms.
pub const SKEW_MS_MAX: u64 = 5 * 60 * 1_000;

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caller(pub Option<DeviceKey>);

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().ok());
        let (Some(device), Some(time), Some(signature)) =
            (header("talea-device"), header("talea-time"), header("talea-signature"))
        else {
            return Ok(Self(None));
        };
        let malformed = || Problem::unauthorized("a header is not what it should be");
        let device = DeviceKey(device.and_then(|hex| from_hex(hex).ok()).ok_or_else(malformed)?);
        let signature = signature.and_then(|hex| from_hex(hex).ok()).ok_or_else(malformed)?;
        let time: u64 = time.and_then(|ms| ms.parse().ok()).ok_or_else(malformed)?;
        if time.abs_diff((app.clock.wall)()) > SKEW_MS_MAX {
            return Err(Problem::unauthorized("the request's time is more than 5 minutes off"));
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let bytes = signed_bytes(parts.method.as_str(), target, &app.me, time);
        let is_theirs = examine(&device.0).is_ok()
            && verify_for(Purpose::Request, &device, &Signature(signature), &bytes);
        if is_theirs {
            Ok(Self(Some(device)))
        } else {
            Err(Problem::unauthorized("the signature is not this device's under this request"))
        }
    }
}

/// What a wallet signs, for [`Purpose::Request`].
#[must_use]
pub fn signed_bytes(method: &str, target: &str, node: &NodeKey, time: u64) -> Vec<u8> {
    format!("{method} {target}\n{node}\n{time}").into_bytes()
}
