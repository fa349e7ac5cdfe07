//! The door's own description, and whether its answers are as it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::deposit::deposit_works;
use super::support::eventually;
use super::support::http::{Answer, ask, get, post};
use super::support::server::House;

/// Whether a value is as a schema of this document says; names what is not. A word of JSON Schema that is not known here is
/// a fault as well: nothing is passed over.
fn fit(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let words = schema.as_object().ok_or_else(|| format!("{at}: no schema"))?;
    let wrong = |what: &str| Err(format!("{at}: {what}: {value} for {schema}"));
    for (word, wanted) in words {
        match word.as_str() {
            "$ref" => {
                let place =
                    wanted.as_str().and_then(|path| path.strip_prefix('#')).and_then(|path| document.pointer(path));
                fit(document, place.ok_or_else(|| format!("{at}: {wanted} leads nowhere"))?, value, at)?;
            }
            "type" => {
                let kinds = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                if !kinds.iter().any(|kind| is(kind.as_str().unwrap_or_default(), value)) {
                    return wrong("another type");
                }
            }
            "enum" if !wanted.as_array().is_some_and(|all| all.contains(value)) => return wrong("none of these"),
            "minimum" if value.is_number() && value.as_f64() < wanted.as_f64() => return wrong("too small"),
            "required" => {
                let mut names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                if let Some(missing) = names.find(|name| value.get(name).is_none()) {
                    return wrong(&format!("no {missing}"));
                }
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let Some(schema) = wanted.get(name) else { return wrong(&format!("{name} is not described")) };
                    fit(document, schema, value, &format!("{at}.{name}"))?;
                }
            }
            "items" => {
                for value in value.as_array().into_iter().flatten() {
                    fit(document, wanted, value, &format!("{at}[]"))?;
                }
            }
            "oneOf" | "anyOf" => {
                let mut schemas = wanted.as_array().into_iter().flatten();
                if !schemas.any(|schema| fit(document, schema, value, at).is_ok()) {
                    return wrong("none of these");
                }
            }
            "allOf" => {
                for schema in wanted.as_array().into_iter().flatten() {
                    // Each describes a part of it: what the others describe is not missing here.
                    fit(document, schema, &only(document, schema, value), at)?;
                }
            }
            "enum" | "minimum" | "description" | "format" | "example" => {}
            other => return Err(format!("{at}: this test does not know {other:?}")),
        }
    }
    Ok(())
}

/// The members of a value that a schema has.
fn only(document: &Value, schema: &Value, value: &Value) -> Value {
    let schema = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| document.pointer(path.trim_start_matches('#')))
        .unwrap_or(schema);
    let known = |name: &String| schema["properties"].get(name).is_some();
    let members = value.as_object().into_iter().flatten().filter(|(name, _)| known(name));
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// Holds an answer against what is said of this operation.
fn check(document: &Value, method: &str, path: &str, answer: &Answer) {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} is not described");
    let responses = &operation["responses"];
    let status = answer.status.to_string();
    let said = responses.get(&status).or_else(|| responses.get(format!("{}XX", &status[..1])));
    let said = said.unwrap_or_else(|| panic!("{method} {path}: {status} is not described"));
    let kind = answer.header("content-type").unwrap_or_default();
    let schema = &said["content"]["application/json"]["schema"];
    if schema.is_object() {
        assert_eq!(kind, "application/json", "{method} {path} {status}");
        fit(document, schema, &answer.json(), path).unwrap_or_else(|why| panic!("{method} {path} {status}: {why}"));
    }
}

#[test]
fn every_route_is_described_with_every_method_it_has_and_no_other() {
    let house = House::new(&[]);
    let door = house.server.door();
    let document = get(door, "/api/v1/openapi.json").json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{id}", "01ABC");
        let answer = ask(door, &format!("OPTIONS {path}"), &[]);
        if path != "/livez" {
            assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()), "{path}");
        }
        let allowed: BTreeSet<String> = answer
            .header("allow")
            .expect("what is allowed")
            .split(',')
            .map(|method| method.to_ascii_lowercase())
            .collect();
        let described: BTreeSet<String> = operations.as_object().expect("operations").keys().cloned().collect();
        // Whatever can be got can be asked about.
        let with_head = described.iter().cloned().chain(described.contains("get").then(|| "head".to_owned()));
        assert_eq!(allowed, with_head.collect(), "{path}");
    }
}

#[test]
fn answers_and_refusals_are_as_they_are_described() {
    let house = House::new(&[]);
    let door = house.server.door();
    let document = get(door, "/api/v1/openapi.json").json();
    let objects = "/api/v1/objects";
    let posted = post(door, "box=bob&name=one.txt", &["Content-Type: text/plain"], b"hello");
    assert_eq!(posted.status, 201);
    check(&document, "post", objects, &posted);
    let id = posted.json()["id"].as_str().expect("an id").to_owned();
    for (query, status) in [("box=bob&name=one.txt", 409), ("box=a%2Fb", 400), ("name=x", 400)] {
        let answer = post(door, query, &[], b"hello");
        assert_eq!(answer.status, status);
        check(&document, "post", objects, &answer);
    }
    post(door, "box=eve", &[], b"");
    deposit_works(&house.server, "m1");
    let told = || ask(door, "GET /api/v1/events", &["Accept: application/json"]);
    let told = eventually("events", || Some(told()).filter(|answer| answer.json()["items"][0].is_object()));
    check(&document, "get", "/api/v1/events", &told);
    for (path, asked, status) in [
        (objects, "?limit=1", 200),
        (objects, "", 200),
        (objects, "?limit=0", 400),
        (objects, "?state=lost", 400),
        ("/api/v1/objects/{id}", "", 200),
        ("/api/v1/objects/{id}/content", "", 200),
        ("/api/v1/transfers", "", 200),
        ("/api/v1/due", "", 200),
        ("/api/v1/openapi.json", "", 200),
        ("/readyz", "", 200),
        ("/metrics", "", 200),
        ("/livez", "", 200),
    ] {
        let answer = get(door, &(path.replace("{id}", &id) + asked));
        assert_eq!(answer.status, status, "{path}{asked}");
        check(&document, "get", path, &answer);
    }
    for (path, asked, status) in [
        ("/api/v1/objects/{id}/mark", "?as=urgent", 200),
        ("/api/v1/objects/{id}/mark", "", 400),
        ("/api/v1/objects/{id}/copy", "?to=spool:/copies/", 201),
        ("/api/v1/objects/{id}/copy", "?to=x", 400),
        ("/api/v1/objects/{id}/undelete", "", 200),
        ("/api/v1/objects/{id}/expire", "", 200),
        ("/api/v1/due", "", 200),
    ] {
        let answer = ask(door, &format!("POST {}{asked}", path.replace("{id}", &id)), &["Content-Length: 0"]);
        assert_eq!(answer.status, status, "{path}{asked}");
        check(&document, "post", path, &answer);
    }
    for path in ["/api/v1/objects/{id}", "/api/v1/objects/{id}/content"] {
        let answer = get(door, &path.replace("{id}", "01KB0000000000000000000000"));
        assert_eq!(answer.error(), (404, "not_found".to_owned()));
        check(&document, "get", path, &answer);
    }
}

#[test]
fn a_value_that_is_not_as_described_is_found() {
    let schema =
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": ["integer", "null"], "minimum": 0}}});
    let judge = |value: Value| fit(&json!({}), &schema, &value, "");
    assert_eq!(judge(json!({"a": 1})), Ok(()));
    assert_eq!(judge(json!({"a": null})), Ok(()));
    for bad in [json!({}), json!({"a": "1"}), json!({"a": -1}), json!({"a": 1, "b": 2}), json!([])] {
        assert!(judge(bad.clone()).is_err(), "{bad}");
    }
}
