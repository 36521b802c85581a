// Sets of links as homes have them, for the demo, the benchmarks and the tests of how links add up: the words of `parseLinks`.

/** Links of an ordinary home: a fibre, DSL with a deep buffer, LTE that loses packets. */
export const FIBRE = "100/100/4/0/20", DSL = "18/1/20/0/300", LTE = "40/12/30/0.2/200";

/** Each set by what it is. */
export const MIXES = {
  "fibre 100 + DSL 8": [FIBRE, "8/1/22/0/80"],
  "DSL 18 + LTE 40 with 0.2 % loss": [DSL, LTE],
  "cable 50 + poor LTE 20": ["50/10/10/0/60", "20/5/40/1/150"],
  "satellite 50 + DSL 12": ["50/5/300/0/700", "12/1/25/0/100"],
  "cable 30 + LTE 60 + DSL 12": ["30/5/15/0/60", "60/20/35/0/80", "12/2/45/0/150"],
  "three DSL 5": ["5/1/25/0/120", "5/1/25/0/120", "5/1/25/0/120"],
  "5G 300 + cable 100 + DSL 8": ["300/50/15/0/60", "100/10/12/0/80", "8/1/25/0/150"],
  "one link with 0.5 % loss": ["40/20/25/0.5/100"],
  "four links, one with 2 % loss": ["30/10/15/0/80", "20/5/25/0/100", "40/10/30/2/120", "10/2/20/0/150"],
  "LTE 69 + ADSL 7": ["69/20/30/0.05/200", "7/0.8/20/0/250"],
  "LTE 50 + ADSL 6 + LTE 70": ["50/15/30/0.1/150", "6/0.7/20/0/300", "70/25/25/0.05/150"],
  "cable 400 + 5G 50": ["400/40/8/0/60", "50/20/25/0.05/100"],
  "1 to 50": ["100/50/10/0/50", "2/1/30/0/200"],
  "equal 20": ["20/20/10/0/100", "20/20/10/0/100"],
  "long and deep: 600 ms beside 5 ms": ["20/5/300/0/700", "20/5/2.5/0/20"],
  "50 and 50 at 600 ms": ["50/50/10/0/100", "50/50/300/0/100"],
  "Starlink 200 with gaps + DSL 20": ["200/20/35/0/80", "20/2/20/0/150"],
  "phone that swings 30 to 3 + DSL 12": ["30/15/25/0/150", "12/1/20/0/200"],
} satisfies { [name: string]: string[] };
