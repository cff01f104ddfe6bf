//! What is said when something cannot be done: RFC 9457, with a code that never changes.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use talea_ledger::place::{Cause, Refusal};
use talea_ledger::replica::Reply;
use talea_protocol::entry::Refusal as Unsound;
use talea_protocol::hash::EntryId;
use utoipa::ToSchema;

use crate::order::{Busy, RETRY_MS};
use crate::rate::ImportFault;
use crate::reception;
use crate::store::StoreFault;

/// Why a request was not fulfilled, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened, for programs: `rule-9`, `unknown-cooperative`, `busy`. It never changes.
    pub code: Cow<'static, str>,
    /// What happened, for people.
    pub detail: String,
    /// What to do.
    pub hint: &'static str,
    /// When to come again, in ms, if that helps.
    pub retry_ms: Option<u32>,
}

/// A problem as it is sent: `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemJson {
    /// A URN of the code.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, for programs: `rule-9`, `unknown-cooperative`, `busy`. It never changes.
    code: String,
    /// What happened, for people.
    detail: String,
    /// What to do.
    hint: &'static str,
}

impl Problem {
    /// A problem of this node's own.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
        hint: &'static str,
    ) -> Self {
        let retry_ms = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_MS);
        Self { status, code: code.into(), detail: detail.into(), hint, retry_ms }
    }

    /// A numbered rule was broken.
    #[must_use]
    pub fn rule(rule: u16, detail: String) -> Self {
        Self::new(status_of(rule), format!("rule-{rule}"), detail, reception::hint(rule))
    }

    /// The bytes are no entry.
    #[must_use]
    pub fn unsound(unsound: &Unsound) -> Self {
        Self::rule(unsound.rule(), unsound.to_string())
    }

    /// The request itself is wrong.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        let hint = "every path, parameter and body is described at /openapi.json";
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail, hint)
    }

    /// The cooperative is not kept here.
    #[must_use]
    pub fn unknown_cooperative(cooperative: &EntryId) -> Self {
        let detail = format!("cooperative {cooperative} is not kept here");
        let hint = "check the id; an operator hosts a cooperative with: talea node host";
        Self::new(StatusCode::NOT_FOUND, "unknown-cooperative", detail, hint)
    }

    /// The cooperative is kept here, and its charter has not come yet.
    #[must_use]
    pub fn no_charter(cooperative: &EntryId) -> Self {
        let detail = format!("the charter of {cooperative} has not come yet");
        let hint = "try again soon; the operator sees at /readyz and in the log what is missing";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-charter", detail, hint)
    }

    /// What was asked for does not exist here.
    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        let hint = "another node of the roster may have it already: try again soon, or ask there";
        Self::new(StatusCode::NOT_FOUND, "not-found", what, hint)
    }

    /// The caller did not prove a device that may read.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        let hint = "this cooperative is private: sign the request with an enrolled device, in the \
                    headers Talea-Device, Talea-Time and Talea-Signature";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail, hint)
    }

    /// Too much is under way.
    #[must_use]
    pub fn busy() -> Self {
        let detail = "this node takes no submission now: as many as it can are under way, or it is \
                      finding out after its start what it has signed";
        let hint = "send it again after the time in Retry-After, here or to another node";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, hint)
    }

    /// A submission was not even looked at.
    #[must_use]
    pub fn sent_away(busy: Busy) -> Self {
        let Busy::Often { .. } = busy else { return Self::busy() };
        let hint = "wait for the time in Retry-After; announce an import before it begins";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", busy.to_string(), hint);
        Self { retry_ms: Some(busy.retry_ms()), ..problem }
    }

    /// An import is not granted.
    #[must_use]
    pub fn import(fault: &ImportFault) -> Self {
        match fault {
            ImportFault::Count { .. } => Self::bad_request(fault.to_string()),
            ImportFault::Again { wait } => {
                let hint = "send what is left at the usual rate, or wait";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let problem = Self::new(status, "too-often", fault.to_string(), hint);
                let ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                Self { retry_ms: Some(ms), ..problem }
            }
        }
    }

    /// The node is stopping.
    #[must_use]
    pub fn stopping() -> Self {
        let hint = "try again when it is back, or ask another node of the roster";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this node is stopping", hint)
    }

    /// This node is of no roster that is in force: others give places.
    #[must_use]
    pub fn not_of_roster(detail: String) -> Self {
        let hint = "give it to a node of the roster, whose keys /v1/cooperatives/{id} names; whoever \
                    knows its address passes it on with: talea invite";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not-of-roster", detail, hint)
    }

    /// It took too long.
    #[must_use]
    pub fn timeout() -> Self {
        let hint = "try again; if it goes on, the operator looks at the queues in /metrics";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "no answer in time", hint)
    }

    /// The disk failed.
    #[must_use]
    pub fn disk(fault: &StoreFault) -> Self {
        tracing::error!(%fault, "a request could not be answered");
        let detail = "the disk cannot be read; the log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "disk", detail, fault.hint())
    }

    /// What a submission's refusal is over HTTP; `None` if it is none.
    #[must_use]
    pub fn of(reply: &Reply) -> Option<Self> {
        match reply {
            Reply::Busy => Some(Self::busy()),
            Reply::Refused(Refusal::Frozen { cause: Cause::Closed, .. }) => {
                Some(Self::not_of_roster(reception::detail(reply)))
            }
            _ => reception::rule(reply).map(|rule| Self::rule(rule, reception::detail(reply))),
        }
    }
}

/// The HTTP status of a broken rule.
fn status_of(rule: u16) -> StatusCode {
    match rule {
        1..=9 => StatusCode::BAD_REQUEST,
        10 => StatusCode::NOT_FOUND,
        12 | 16 => StatusCode::FORBIDDEN,
        13..=15 | 20 => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, detail, hint, retry_ms } = self;
        let json = ProblemJson {
            kind: format!("urn:talea:problem:{code}"),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: code.into_owned(),
            detail,
            hint,
        };
        let body = serde_json::to_vec(&json).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(ms) = retry_ms {
            let seconds = u64::from(ms).div_ceil(1000);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Talea");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
