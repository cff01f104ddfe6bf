//! Payloads, and the attachments that each names.

use serde_json::{Value, json};
use talea_protocol::attachment::listed;
use talea_protocol::bytes::hex;

use crate::{bytes, kept};

/// A receipt's bytes, and what a payload says of them.
fn receipt() -> Value {
    let file = b"a receipt";
    let hash = blake3::hash(file).to_hex().to_string();
    json!({"blake3": hash, "size": file.len(), "media": "image/jpeg", "visibility": "members"})
}

fn with(name: &str, value: Value) -> Value {
    let mut attachment = receipt();
    attachment[name] = value;
    attachment
}

fn payloads() -> Vec<(&'static str, Value)> {
    let minutes = json!({
        "blake3": blake3::hash(b"minutes").to_hex().to_string(),
        "size": 16_777_216,
        "media": "application/pdf",
        "visibility": "public"
    });
    vec![
        ("one", json!({"note": "a receipt", "attachments": [receipt()]})),
        ("two", json!({"attachments": [minutes, with("visibility", json!("officers"))]})),
        ("none", json!({"note": "nothing"})),
        ("one twice", json!({"attachments": [receipt(), receipt()]})),
        ("no byte", json!({"attachments": [with("size", json!(0))]})),
        ("a byte too many", json!({"attachments": [with("size", json!(16_777_217))]})),
        ("another name", json!({"attachments": [with("name", json!("receipt.jpg"))]})),
        (
            "a media type with a parameter",
            json!({"attachments": [with("media", json!("text/plain;charset=utf-8"))]}),
        ),
        ("another visibility", json!({"attachments": [with("visibility", json!("circle"))]})),
    ]
}

pub fn vectors() -> Vec<Value> {
    let vector = |(name, payload): (&str, Value)| {
        let payload = payload.to_string().into_bytes();
        json!({"name": name, "payload": hex(&payload), "names": listed(&payload)})
    };
    payloads().into_iter().map(vector).collect()
}

#[test]
fn every_kept_payload_names_what_is_kept_beside_it() {
    let kept = kept::vectors("attachments");
    for vector in &kept {
        let names = serde_json::to_value(listed(&bytes(vector, "payload"))).unwrap();
        assert_eq!(names, vector["names"], "{}", vector["name"]);
    }
    let counts: Vec<usize> = kept.iter().map(|it| it["names"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1, 2, 0, 0, 0, 0, 0, 0, 0]);
}
