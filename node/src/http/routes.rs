//! Every path in one table: the router and the OpenAPI description are both made from it, so that
//! neither knows a path that the other does not.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use tokio::time::timeout;
use utoipa::PartialSchema;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder,
    Schema,
};

use super::entries::{BODY_BYTES_MAX, Placement, Row, Submission, SubmittedPayload};
use super::problem::{Problem, ProblemJson};
use super::{
    Shared, attachments, cooperatives, entries, events, export, forks, health, imports, log, state,
    typed,
};

/// The longest an answer may take to begin (reliability, section 5).
const REQUEST_MAX: Duration = Duration::from_secs(10);

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// What an answer is.
#[derive(Clone, Copy)]
enum Answer {
    /// JSON of the schema of this name, or of no particular shape.
    Json(Option<&'static str>),
    /// Something else.
    Other(&'static str),
}

/// One path.
struct Route {
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    query: &'static [(&'static str, &'static str)],
    answer: Answer,
    handler: MethodRouter<Shared>,
}

const ATTACHMENT: &str = "/v1/cooperatives/{cooperative}/entries/{entry}/attachments/{blake3}";
const PAGE: &[(&str, &str)] =
    &[("from", "the first wanted, from 0"), ("limit", "how many, 500 at most")];
const IMPORT: &[(&str, &str)] = &[("entries", "how many, 10,000 at most")];
const EVENTS: &[(&str, &str)] = &[("from", "a leaf: events from it on; else from now on")];
const JSON: Answer = Answer::Json(None);
const TEXT: Answer = Answer::Other("text/plain");
const OCTETS: Answer = Answer::Other("application/octet-stream");

fn read(
    path: &'static str,
    summary: &'static str,
    answer: Answer,
    handler: MethodRouter<Shared>,
) -> Route {
    Route { method: HttpMethod::Get, path, summary, query: &[], answer, handler }
}

fn routes() -> Vec<Route> {
    vec![
        read("/livez", "Whether the node lives", TEXT, get(health::alive)),
        read(
            "/readyz",
            "Whether the node serves all it keeps, or why not",
            JSON,
            get(health::ready),
        ),
        read("/metrics", "Numbers for monitoring", TEXT, get(health::metrics)),
        read("/openapi.json", "This description", JSON, get(description)),
        read(
            "/v1/cooperatives",
            "The cooperatives kept here that the caller may read",
            JSON,
            get(cooperatives::list),
        ),
        read(
            "/v1/cooperatives/{cooperative}",
            "How far a cooperative has come here: register, settled entries, state root, logs",
            JSON,
            get(cooperatives::one),
        ),
        Route {
            method: HttpMethod::Post,
            query: &[],
            ..read(
                "/v1/cooperatives/{cooperative}/entries",
                "Submits an entry; answered when its place is durable",
                Answer::Json(Some("Placement")),
                post(entries::submit).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
            )
        },
        Route {
            method: HttpMethod::Post,
            query: IMPORT,
            ..read(
                "/v1/cooperatives/{cooperative}/imports",
                "Announces that a device will bring many entries at once; signed by that device",
                JSON,
                post(imports::announce),
            )
        },
        read(
            "/v1/cooperatives/{cooperative}/entries/{entry}",
            "An entry, its receipts and its verdict",
            Answer::Json(Some("Row")),
            get(entries::entry),
        ),
        read(
            "/v1/cooperatives/{cooperative}/entries/{entry}/attachments",
            "The attachments that an entry's payload names, and whether they are here",
            JSON,
            get(attachments::list),
        ),
        read(
            ATTACHMENT,
            "An attachment's bytes, for those whom its author chose",
            OCTETS,
            get(attachments::get),
        ),
        Route {
            method: HttpMethod::Put,
            ..read(
                ATTACHMENT,
                "Brings an attachment that a payload here names; signed by an enrolled device",
                JSON,
                put(attachments::put).layer(DefaultBodyLimit::disable()),
            )
        },
        Route {
            query: PAGE,
            ..read(
                "/v1/cooperatives/{cooperative}/chains/{device}",
                "A device's chain; the device by its key or its number",
                JSON,
                get(entries::chain),
            )
        },
        read(
            "/v1/cooperatives/{cooperative}/heads/{device}",
            "How far a device's chain has come here, and whether it stands still",
            JSON,
            get(forks::head),
        ),
        Route {
            query: PAGE,
            ..read(
                "/v1/cooperatives/{cooperative}/forks",
                "Open forks, each with this log's receipt of its leaf, which a heal cites",
                JSON,
                get(forks::list),
            )
        },
        Route {
            query: PAGE,
            ..read(
                "/v1/cooperatives/{cooperative}/register",
                "The register's entries, by number",
                JSON,
                get(entries::register),
            )
        },
        Route {
            query: PAGE,
            ..read(
                "/v1/cooperatives/{cooperative}/state/{report}",
                "A report: accounts, members, contributions, decisions, runs, flows, journal, purses, \
                 resources, intents, agreements, commitments or partners",
                JSON,
                get(state::report),
            )
        },
        Route {
            query: PAGE,
            ..read(
                "/v1/cooperatives/{cooperative}/state/members/{member}",
                "One member's statement; its lists of entries come in pages",
                JSON,
                get(state::statement),
            )
        },
        read(
            "/v1/cooperatives/{cooperative}/proofs/{entry}",
            "An entry's receipt from this node (C2SP tlog-proof)",
            TEXT,
            get(log::proof),
        ),
        Route {
            query: EVENTS,
            ..read(
                "/v1/cooperatives/{cooperative}/events",
                "What is placed and settled, as it happens; resumed with Last-Event-ID",
                Answer::Other("text/event-stream"),
                get(events::events),
            )
        },
        read(
            "/v1/cooperatives/{cooperative}/checkpoint",
            "The signed checkpoint of this node's log (C2SP tlog-checkpoint)",
            TEXT,
            get(log::checkpoint),
        ),
        read(
            "/v1/cooperatives/{cooperative}/tile/{*path}",
            "A tile or entry bundle of this node's log (C2SP tlog-tiles); never changes",
            OCTETS,
            get(log::tile),
        ),
        read(
            "/v1/cooperatives/{cooperative}/export",
            "All that this node knows of a cooperative, for talea-verify",
            Answer::Other("application/vnd.talea.export"),
            get(export::export),
        ),
    ]
}

/// Everything that is answered.
pub fn router(app: Shared) -> Router {
    let add = |router: Router<Shared>, route: Route| router.route(route.path, route.handler);
    routes()
        .into_iter()
        .fold(Router::new(), add)
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(Shared::clone(&app), count))
        .with_state(app)
}

async fn description() -> Response {
    typed("application/json", openapi().to_json().unwrap_or_default())
}

async fn no_path(request: Request) -> Problem {
    let hint = "every path is described at /openapi.json";
    let detail = format!("there is no path {:?}", request.uri().path());
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", detail, hint)
}

async fn no_method(request: Request) -> Problem {
    let hint = "every path is described at /openapi.json";
    let detail = format!("{:?} is not answered to {}", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", detail, hint)
}

/// Answers begin in time or not at all; event streams and exports may then last.
async fn in_time(request: Request, next: Next) -> Response {
    // What is brought in pieces has limits of its own.
    let longest = match *request.method() {
        Method::PUT => attachments::UPLOAD_MAX + REQUEST_MAX,
        _ => REQUEST_MAX,
    };
    let mut response = match timeout(longest, next.run(request)).await {
        Ok(response) => plain_to_problem(response),
        Err(_) => Problem::timeout().into_response(),
    };
    // What members wrote is never taken for a page, whatever it looks like.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

/// What the framework refuses by itself, as plain text, becomes a problem like all others.
fn plain_to_problem(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if status.is_client_error() && is_plain {
        let detail = status.canonical_reason().unwrap_or("the request is not understood");
        return Problem { status, ..Problem::bad_request(detail) }.into_response();
    }
    response
}

async fn count(State(app): State<Shared>, request: Request, next: Next) -> Response {
    app.metrics.requests.inc();
    next.run(request).await
}

/// The description of everything that is answered.
#[must_use]
pub fn openapi() -> OpenApi {
    let describe = |paths: PathsBuilder, route: Route| {
        // OpenAPI knows no parameter that spans several segments: its name is what counts.
        let path = route.path.replace("{*path}", "{path}");
        paths.path(path, item(&route))
    };
    let info = InfoBuilder::new()
        .title("talead")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION));
    OpenApiBuilder::new()
        .info(info)
        .paths(routes().into_iter().fold(PathsBuilder::new(), describe))
        .components(Some(
            ComponentsBuilder::new()
                .schema("Problem", ProblemJson::schema())
                .schema("Placement", Placement::schema())
                .schema("Row", Row::schema())
                .schema("Submission", Submission::schema())
                .schema("SubmittedPayload", SubmittedPayload::schema())
                .build(),
        ))
        .build()
}

const DESCRIPTION: &str = "A Talea node, for this machine. Errors are application/problem+json \
    with a stable `code` and a `hint`. Private cooperatives are read with the headers Talea-Device \
    (64 hexadecimal digits), Talea-Time (ms since 1970) and Talea-Signature (128 digits: Ed25519 \
    over \"talea request v1\\n\", method, space, path with query, newline, this node's key, \
    newline, time).";

fn item(route: &Route) -> PathItem {
    let path_parameters = route.path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(parameter(name.trim_start_matches('*'), ParameterIn::Path, None))
    });
    let query = route.query.iter();
    let query = query.map(|(name, what)| parameter(name, ParameterIn::Query, Some(what)));
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .parameters(Some(path_parameters.chain(query)))
        .response("200", done(route.answer))
        .response("default", problem());
    // What is posted with parameters has no body.
    if matches!(route.method, HttpMethod::Post) && route.query.is_empty() {
        let content =
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Submission"))).build();
        let body = RequestBodyBuilder::new().content("application/json", content);
        operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
    }
    if matches!(route.method, HttpMethod::Put) {
        let body = RequestBodyBuilder::new()
            .content("application/octet-stream", ContentBuilder::new().build());
        operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
    }
    PathItem::new(route.method.clone(), operation)
}

fn problem() -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description("Not done: code and hint say why and what to do")
        .content("application/problem+json", content)
}

fn parameter(name: &str, place: ParameterIn, what: Option<&str>) -> Parameter {
    let is_path = matches!(place, ParameterIn::Path);
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(if is_path { Required::True } else { Required::False })
        .description(what)
        .schema(Some(RefOr::T(Schema::Object(text.build()))))
        .build()
}

fn done(answer: Answer) -> ResponseBuilder {
    let content = ContentBuilder::new();
    let (kind, content) = match answer {
        Answer::Json(None) => ("application/json", content),
        Answer::Json(Some(name)) => {
            ("application/json", content.schema(Some(Ref::from_schema_name(name))))
        }
        Answer::Other(kind) => (kind, content),
    };
    ResponseBuilder::new().description("Done").content(kind, content.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_path_and_every_error() {
        let described = serde_json::to_value(openapi()).unwrap();
        for route in routes() {
            let path = route.path.replace("{*path}", "{path}");
            let method = match route.method {
                HttpMethod::Post => "post",
                HttpMethod::Put => "put",
                _ => "get",
            };
            let operation = &described["paths"][&path][method];
            assert_eq!(operation["summary"], route.summary, "{path}");
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
        }
        assert!(described["components"]["schemas"]["Problem"]["properties"]["hint"].is_object());
    }
}
