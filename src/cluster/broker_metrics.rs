//! Metrics of a node's brokers on one page: each with the number of its shard as a label, each metric in one piece, as the format demands
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::HashMap;

/// The cluster's own are shown by the node.
const OWN: &str = "coney_cluster_";

/// A metric: what is said of it, and its samples.
#[derive(Default)]
struct Family {
    head: Vec<String>,
    samples: Vec<String>,
}

/// One page of the pages of shards.
pub(super) fn merged(pages: &[(u16, String)]) -> String {
    let mut families: Vec<Family> = Vec::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (shard, page) in pages {
        // Samples of histograms have other names than what is said of them, and follow it.
        let mut current = None;
        for line in page.lines().filter(|line| !line.is_empty()) {
            let name = of_comment(line);
            if let Some(name) = name {
                current = (!name.starts_with(OWN)).then(|| {
                    *by_name.entry(name).or_insert_with(|| {
                        families.push(Family::default());
                        families.len() - 1
                    })
                });
            }
            let Some(family) = current.and_then(|index: usize| families.get_mut(index)) else { continue };
            match name {
                Some(_) if family.head.iter().any(|said| said == line) => {}
                Some(_) => family.head.push(line.to_owned()),
                None => family.samples.push(labelled(line, *shard)),
            }
        }
    }
    let lines = families.into_iter().flat_map(|family| family.head.into_iter().chain(family.samples));
    lines.map(|line| line + "\n").collect()
}

/// Which metric a comment is about.
fn of_comment(line: &str) -> Option<&str> {
    let said = line.strip_prefix("# TYPE ").or_else(|| line.strip_prefix("# HELP "))?;
    said.split(' ').next()
}

fn labelled(sample: &str, shard: u16) -> String {
    let end_of_name = sample.find(['{', ' ']).unwrap_or(sample.len());
    let (name, rest) = sample.split_at(end_of_name);
    match rest.strip_prefix('{') {
        Some(labels) if labels.starts_with('}') => format!("{name}{{shard=\"{shard}\"{labels}"),
        Some(labels) => format!("{name}{{shard=\"{shard}\",{labels}"),
        None => format!("{name}{{shard=\"{shard}\"}}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_is_in_one_piece_and_each_sample_has_its_shard() {
        let page = |value: u8| {
            format!(
                "# TYPE a gauge\n# HELP a What.\na {value}\n# TYPE b histogram\nb_bucket{{le=\"1\"}} {value}\nb_sum {value}\n\
                 # TYPE coney_cluster_role gauge\nconey_cluster_role 1\n# TYPE c counter\nc{{}} {value}\n"
            )
        };
        let expected = "# TYPE a gauge\n# HELP a What.\na{shard=\"0\"} 1\na{shard=\"2\"} 5\n# TYPE b histogram\n\
            b_bucket{shard=\"0\",le=\"1\"} 1\nb_sum{shard=\"0\"} 1\nb_bucket{shard=\"2\",le=\"1\"} 5\nb_sum{shard=\"2\"} 5\n\
            # TYPE c counter\nc{shard=\"0\"} 1\nc{shard=\"2\"} 5\n";
        assert_eq!(merged(&[(0, page(1)), (2, page(5))]), expected);
    }
}
