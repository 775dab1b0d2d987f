use super::*;

const PLAIN: Axis = Axis::log("buyers");

fn plot(points: Vec<(f64, f64)>) -> Plot {
    Plot {
        title: "orders & <buyers>",
        x: PLAIN,
        y: Axis::linear("units"),
        lines: vec![Line {
            label: "naive".to_owned(),
            style: 1,
            points,
            marked: true,
        }],
        guide: Some((100.0, "100 units")),
    }
}

#[test]
fn a_figure_needs_nothing_from_elsewhere_and_escapes_its_text() {
    let figure = plot(vec![(1.0, 10.0), (1_000.0, 900.0)]).figure();
    assert!(
        !figure.contains("http") && !figure.contains("src="),
        "{figure}"
    );
    assert!(figure.contains("orders &amp; &lt;buyers&gt;"));
    assert!(figure.contains("100 units"));
    assert_eq!(figure.matches("class=\"mark s1\"").count(), 3);
    assert_eq!(
        figure.matches("<svg").count(),
        figure.matches("</svg>").count()
    );
}

#[test]
fn every_point_is_inside_of_the_picture() {
    let x = Frame::new(PLAIN, [1.0, 1_000.0].into_iter(), (LEFT, WIDTH - RIGHT));
    for value in [0.0, 1.0, 30.0, 1_000.0, 1e9] {
        let at = x.at(value);
        assert!((LEFT..=WIDTH - RIGHT).contains(&at), "{value}: {at}");
    }
    assert!(x.at(10.0) < x.at(100.0));
}

#[test]
fn ticks_are_decades_or_round_steps() {
    let log = Frame::new(PLAIN, [1.0, 1_000.0].into_iter(), (0.0, 1.0));
    assert_eq!(log.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
    let axis = Axis::linear("units");
    let linear = Frame::new(axis, [1_000.0].into_iter(), (0.0, 1.0));
    assert_eq!(linear.ticks(), [0.0, 500.0, 1_000.0]);
}

#[test]
fn a_plot_without_points_is_empty_and_no_error() {
    let figure = plot(Vec::new()).figure();
    assert!(
        !figure.contains("NaN") && !figure.contains("inf"),
        "{figure}"
    );
}
