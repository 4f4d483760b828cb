//! The first operation of which two brokers' clients observed something else.

/// Where and how two runs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the operation.
    pub step: usize,
    /// What only the left broker's clients saw, in its order.
    pub left: Vec<String>,
    /// What only the right broker's clients saw.
    pub right: Vec<String>,
}

/// The first difference from operation `start` on. What both saw is left out, but if only the order is another, everything
/// is told.
pub fn first(left: &[Vec<String>], right: &[Vec<String>], start: usize) -> Option<Difference> {
    let nothing = Vec::new();
    (start..left.len().max(right.len())).find_map(|step| {
        let (left, right) = (left.get(step).unwrap_or(&nothing), right.get(step).unwrap_or(&nothing));
        if left == right {
            return None;
        }
        let (only_left, only_right) = (without(left, right), without(right, left));
        if only_left.is_empty() && only_right.is_empty() {
            return Some(Difference { step, left: left.clone(), right: right.clone() });
        }
        Some(Difference { step, left: only_left, right: only_right })
    })
}

/// The lines that the others do not have, counted.
fn without(lines: &[String], others: &[String]) -> Vec<String> {
    let mut others: Vec<&String> = others.iter().collect();
    let mut rest = Vec::new();
    for line in lines {
        match others.iter().position(|other| *other == line) {
            Some(at) => drop(others.swap_remove(at)),
            None => rest.push(line.clone()),
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: &[&[&str]]) -> Vec<Vec<String>> {
        steps.iter().map(|lines| lines.iter().map(|&line| line.to_owned()).collect()).collect()
    }

    #[test]
    fn equal_runs_do_not_differ() {
        assert_eq!(first(&run(&[&["a"], &[]]), &run(&[&["a"], &[]]), 0), None);
    }

    #[test]
    fn only_what_differs_is_told() {
        let found = first(&run(&[&["a"], &["b", "b", "c"]]), &run(&[&["a"], &["b", "d", "c"]]), 0);
        let wanted = Difference { step: 1, left: vec!["b".into()], right: vec!["d".into()] };
        assert_eq!(found, Some(wanted));
    }

    #[test]
    fn an_order_and_a_missing_step_are_differences() {
        assert_eq!(first(&run(&[&["a", "b"]]), &run(&[&["b", "a"]]), 0).map(|d| d.left.len()), Some(2));
        assert_eq!(first(&run(&[&["a"], &["b"]]), &run(&[&["a"]]), 0).map(|d| d.step), Some(1));
        assert_eq!(first(&run(&[&["a"], &["b"]]), &run(&[&["x"], &["b"]]), 1), None);
    }
}
