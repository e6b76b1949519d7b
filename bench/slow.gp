# SPDX-License-Identifier: MIT OR Apache-2.0
# gnuplot -c slow.gp DIR: pictures of what bench-slow --plot DIR has written there.
dir = ARG1
has(name) = system(sprintf("test -s '%s/%s.dat' && echo 1 || echo 0", dir, name)) + 0
file(name) = sprintf("%s/%s.dat", dir, name)
# How many of a file's lines have a number there: a way that was not run has none.
count(name, column) = system(sprintf("awk '$%d != \"NaN\" {n++} END {print n + 0}' '%s/%s.dat' 2>/dev/null || echo 0", column, dir, name)) + 0

shapes = "one several processes"
titles = "'handlers on one loop' 'handlers on four loops' 'handlers in processes'"
ways = "'stalled' 'spins' '10 ms each' 'a tenth'"
array color[5]
color[1] = "#0072b2"
color[2] = "#d55e00"
color[3] = "#009e73"
color[4] = "#cc79a7"
color[5] = "#999999"

set style data histograms
set style fill solid 0.85 noborder
set grid ytics linecolor "#dddddd"
set border 3 linecolor "#666666"
set tics nomirror textcolor "#333333"
set errorbars small front linecolor rgb "#222222" linewidth 1

# ---- the publisher's rate, with the slow one to without it --------------------------------

set terminal pngcairo size 1500,1150 font "sans,12" background "white"
set output dir."/rate.png"
set multiplot layout 3,2 title "The publisher's rate beside one slow consumer, to its rate without one (bars are cut at 2)" font ",16"
set style histogram errorbars gap 1.5 linewidth 1
set yrange [0:2]
set ytics 0.5
set key outside top center horizontal samplen 1.5
do for [s=1:3] {
	do for [load in "flat paced"] {
		name = "rate-".word(shapes, s)."-".load
		set title word(titles, s).(load eq "flat" ? ", flat out" : ", 20,000 messages a second")
		set arrow 1 from graph 0, first 0.95 to graph 1, first 0.95 nohead dashtype 2 linecolor "#444444" front
		run = ""
		do for [w=1:4] {
			if (count(name, 3*w-1) > 0) {
				run = run." ".w
			}
		}
		if (words(run) > 0) {
			plot for [w in run] file(name) using 3*w-1:3*w:3*w+1:xtic(1) \
				linecolor rgb color[int(w)] title (s == 1 && load eq "flat" ? word(ways, int(w)) : "")
		} else {
			set multiplot next
		}
	}
}
unset multiplot
unset arrow 1

# ---- how late the healthy ones got it ------------------------------------------------------

set terminal pngcairo size 1500,1150 font "sans,12" background "white"
set output dir."/p99.png"
set multiplot layout 3,1 title "p99 latency of the 7 healthy ones, from when a message was due (20,000 a second)" font ",16"
set style histogram clustered gap 1.5
set logscale y
set yrange [20:5e6]
set ytics ("100 us" 1e2, "1 ms" 1e3, "10 ms" 1e4, "100 ms" 1e5, "1 s" 1e6)
do for [s=1:3] {
	name = "p99-".word(shapes, s)
	set title word(titles, s)
	run = ""
	do for [w=1:4] {
		if (count(name, 3*w+2) > 0) {
			run = run." ".w
		}
	}
	if (words(run) > 0) {
		plot file(name) using 2:xtic(1) linecolor rgb color[5] title (s == 1 ? "no slow one" : ""), \
			for [w in run] file(name) using 3*w+2:xtic(1) linecolor rgb color[int(w)] \
			title (s == 1 ? word(ways, int(w)) : "")
	} else {
		set multiplot next
	}
}
unset multiplot

# ---- around the moment -----------------------------------------------------------------------

do for [s=1:3] {
	shape = word(shapes, s)
	buses = ""
	do for [bus in "ours loop gate nodrop zmq nng nats jetstream"] {
		if (has("line-".shape."-".bus)) {
			buses = buses." ".bus
		}
	}
	if (words(buses) > 0) {
		rows = (words(buses) + 1) / 2
		set terminal pngcairo size 1500,270*rows+60 font "sans,12" background "white"
		set output dir."/line-".shape.".png"
		set multiplot layout rows,2 title "One of eight stands still from 0 on (".word(titles, s)."): the worst latency of the seven others, each millisecond" font ",16"
		unset key
		set xrange [-100:500]
		set xtics 100 format "%g ms"
		set yrange [10:2e6]
		set arrow 2 from 0, graph 0 to 0, graph 1 nohead linecolor "#d55e00" linewidth 2 back
		do for [bus in buses] {
			set title bus
			plot file("line-".shape."-".bus) using 1:2 with points pointtype 7 pointsize 0.45 linecolor rgb color[1]
		}
		unset multiplot
		unset xrange
		set xtics autofreq format "%g"
		unset arrow 2
		set key outside top center horizontal samplen 1.5
	}
}
