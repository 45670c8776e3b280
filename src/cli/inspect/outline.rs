//! A JSON value as an indented outline for people.

use serde_json::Value;

/// Objects become `key: value` lines, lists of plain values one line, lists of objects a block
/// each.
pub(super) fn render(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let Some(line) = inline(value) {
                    text.push_str(&format!("{indent}{key}: {line}\n"));
                } else {
                    text.push_str(&format!("{indent}{key}:\n"));
                    write(value, depth + 1, text);
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                let start = text.len();
                write(item, depth + 1, text);
                // The first line of each item carries the dash.
                if text.len() > start + indent.len() {
                    text.replace_range(start + indent.len()..start + indent.len() + 1, "-");
                }
            }
        }
        plain => text.push_str(&format!("{indent}{}\n", inline(plain).unwrap_or_default())),
    }
}

/// A value that fits on its key's line.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("none".into()),
        Value::Bool(true) => Some("yes".into()),
        Value::Bool(false) => Some("no".into()),
        Value::Number(number) => Some(number.to_string()),
        // Names come from images: control characters must not reach the terminal.
        Value::String(text) => Some(text.escape_debug().to_string()),
        Value::Array(list) if list.is_empty() => Some("none".into()),
        Value::Array(list) if list.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<_> = list.iter().filter_map(inline).collect();
            Some(items.join(", "))
        }
        Value::Object(map) if map.is_empty() => Some("none".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_an_outline() {
        let value = json!({
            "format": "x", "on": true, "list": [1, "b"], "none": [],
            "parts": [{"a": 1, "b": null}, {"a": 2, "deep": {"c": "esc\u{1b}"}}],
        });
        let expected = "\
format: x
on: yes
list: 1, b
none: none
parts:
  - a: 1
    b: none
  - a: 2
    deep:
      c: esc\\u{1b}
";
        assert_eq!(render(&value), expected);
    }
}
