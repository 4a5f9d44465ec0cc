package benchdocs

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"path"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// curve is a line of a plot.
type curve struct {
	name   string
	points plotter.XYs
}

// plots adds the plots to files, as SVG.
func (r Recorded) plots(files map[string][]byte) error {
	type drawing struct {
		name, title, x, y string
		curves            []curve
		logarithmic       bool
	}
	var all []drawing
	if r.Requests != nil && len(r.Requests.Sizes) > 0 {
		all = append(all, drawing{"size.svg", "Processor time of a request", "size of the AdmissionReview, KB", "µs", bySize(r.Requests.Sizes), false})
	}
	if r.Memory != nil {
		all = append(all, drawing{"memory.svg", "Peak of resident memory", "requests answered", "MiB", overRequests(r.Memory), false})
	}
	if r.Cluster != nil {
		p50 := func(c figures.Creation) float64 { return c.P50 }
		p99 := func(c figures.Creation) float64 { return c.P99 }
		all = append(all,
			drawing{"rate-p50.svg", "Pod creation: median, with 1, 4 and 16 clients", "pods created in a second", "p50, ms", byRate(r.Cluster.Creations, p50), true},
			drawing{"rate-p99.svg", "Pod creation: 99th percentile, with 1, 4 and 16 clients", "pods created in a second", "p99, ms", byRate(r.Cluster.Creations, p99), true})
	}
	for _, d := range all {
		svg, err := paint(d.title, d.x, d.y, d.curves, d.logarithmic)
		if err != nil {
			return fmt.Errorf("plot %s: %w", d.name, err)
		}
		files[path.Join(folder, d.name)] = svg
	}
	return nil
}

func bySize(sizes []figures.Request) []curve {
	curves := []curve{{name: "floor"}, {name: "cold"}, {name: "warm"}}
	for _, q := range sizes {
		for i, c := range []figures.Cost{q.Floor, q.Cold, q.Warm} {
			curves[i].points = append(curves[i].points, plotter.XY{X: float64(q.Bytes) / 1000, Y: c.CPU})
		}
	}
	return curves
}

func overRequests(m *figures.Memory) []curve {
	c := curve{name: "resident"}
	for _, s := range m.Samples {
		c.points = append(c.points, plotter.XY{X: float64(s.Requests), Y: s.MiB})
	}
	return []curve{c}
}

func byRate(creations []figures.Creation, y func(figures.Creation) float64) []curve {
	var curves []curve
	for _, c := range creations {
		i := slices.IndexFunc(curves, func(k curve) bool { return k.name == wayName(c.Way) })
		if i < 0 {
			i = len(curves)
			curves = append(curves, curve{name: wayName(c.Way)})
		}
		curves[i].points = append(curves[i].points, plotter.XY{X: c.PerSecond, Y: y(c)})
	}
	return curves
}

// palette tells up to six curves apart, also for the colour blind (Okabe and
// Ito's colours).
func palette(i int) color.Color {
	colours := []color.Color{
		color.RGBA{0x00, 0x72, 0xb2, 0xff},
		color.RGBA{0xe6, 0x9f, 0x00, 0xff},
		color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xd5, 0x5e, 0x00, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff},
		color.RGBA{0x00, 0x00, 0x00, 0xff},
	}
	return colours[i%len(colours)]
}

func paint(title, x, y string, curves []curve, logarithmic bool) ([]byte, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.X.Min = 0
	p.BackgroundColor = color.White
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for i, c := range curves {
		line, dots, err := plotter.NewLinePoints(c.points)
		if err != nil {
			return nil, err
		}
		line.Color, dots.Color = palette(i), palette(i)
		line.Width = vg.Points(1.5)
		dots.Shape = draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(c.name, line, dots)
	}
	// Room for what is written at the ends, and for the legend.
	p.X.Max *= 1.05
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, readable{}
		p.Y.Min, p.Y.Max = p.Y.Min/1.2, p.Y.Max*2
	} else {
		p.Y.Min, p.Y.Max = 0, p.Y.Max*1.15
	}
	w, err := p.WriterTo(16*vg.Centimeter, 10*vg.Centimeter, "svg")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	return b.Bytes(), err
}

// readable are the ticks of a logarithmic axis of which 1, 2 and 5 of each power of
// ten are labelled: plot.LogTicks labels only the powers, of which an axis may have
// but one.
type readable struct{}

// Ticks implements plot.Ticker.
func (readable) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
		for digit := 1.0; digit < 10; digit++ {
			tick := plot.Tick{Value: digit * math.Pow(10, power)}
			if digit == 1 || digit == 2 || digit == 5 {
				tick.Label = strconv.FormatFloat(tick.Value, 'g', -1, 64)
			}
			if tick.Value >= low && tick.Value <= high {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}
