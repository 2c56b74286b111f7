//! Least squares: the costs with which loads come nearest to what was measured.

/// One figure for each column of `rows`, so that the sums of columns times figures come near to `measured`. Each point counts by
/// its relative error, and no figure is below zero. `None` if the rows do not determine them.
pub fn fit<const N: usize>(rows: &[Vec<f64>], measured: &[f64]) -> Option<[f64; N]> {
    let mut free = [true; N];
    loop {
        let figures = solve::<N>(rows, measured, &free)?;
        // What comes out below zero costs nothing that could be measured; the others are fitted without it.
        let below = (0..N).filter(|column| figures[*column] < 0.0).min_by(|a, b| figures[*a].total_cmp(&figures[*b]));
        match below {
            Some(column) => free[column] = false,
            None => return Some(figures),
        }
    }
}

/// The normal equations, by elimination.
fn solve<const N: usize>(rows: &[Vec<f64>], measured: &[f64], free: &[bool; N]) -> Option<[f64; N]> {
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for (row, measured) in rows.iter().zip(measured) {
        let weight = measured.max(1.0).powi(-2);
        for line in (0..N).filter(|line| free[*line]) {
            for column in (0..N).filter(|column| free[*column]) {
                matrix[line][column] += weight * row[line] * row[column];
            }
            right[line] += weight * row[line] * measured;
        }
    }
    for column in (0..N).filter(|column| !free[*column]) {
        matrix[column][column] = 1.0;
    }
    for pivot in 0..N {
        let best = (pivot..N).max_by(|a, b| matrix[*a][pivot].abs().total_cmp(&matrix[*b][pivot].abs()))?;
        matrix.swap(pivot, best);
        right.swap(pivot, best);
        if matrix[pivot][pivot].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for line in pivot + 1..N {
            let factor = matrix[line][pivot] / matrix[pivot][pivot];
            let from = matrix[pivot];
            for (into, from) in matrix[line].iter_mut().zip(from) {
                *into -= factor * from;
            }
            right[line] -= factor * right[pivot];
        }
    }
    for line in (0..N).rev() {
        let known: f64 = (line + 1..N).map(|column| matrix[line][column] * right[column]).sum();
        right[line] = (right[line] - known) / matrix[line][line];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_that_would_be_negative_is_none() {
        let rows = [vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 2.0]];
        assert_eq!(fit::<2>(&rows, &[10.0, 10.0, 10.0]).map(|figures| figures[1].abs() < 1e-9), Some(true));
        let figures = fit::<2>(&rows, &[10.0, 9.0, 8.0]).unwrap();
        assert!(figures[1].abs() < 1e-12 && figures[0] > 8.0);
    }

    #[test]
    fn columns_that_are_alike_are_not_told_apart() {
        assert_eq!(fit::<2>(&[vec![0.0, 1.0], vec![0.0, 2.0]], &[1.0, 2.0]), None);
    }
}
