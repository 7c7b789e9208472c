/* The same filter step as ionward.control.ekf, written as plain C: what a compiler makes of it is the yardstick.
 *
 * Layout [field][cell], every row its own restrict pointer. Constants come in on the command line (-D), read from the
 * Python source, so that both always compute the same. Built with gcc -O3 -march=native -ffp-contract=fast.
 */
#include <math.h>

#define PARAMETERS 8
#define ROW (SOCS * PARAMETERS)

static inline double low_of(double a, double b) { return a < b ? a : b; }
static inline double high_of(double a, double b) { return a > b ? a : b; }

static inline double decay(double x) {
  double y = low_of(x, 64.0) * -0.015625;
  double e = 1.0 + y * (1.0 / 10.0);
  e = 1.0 + y * (1.0 / 9.0) * e;
  e = 1.0 + y * (1.0 / 8.0) * e;
  e = 1.0 + y * (1.0 / 7.0) * e;
  e = 1.0 + y * (1.0 / 6.0) * e;
  e = 1.0 + y * (1.0 / 5.0) * e;
  e = 1.0 + y * (1.0 / 4.0) * e;
  e = 1.0 + y * (1.0 / 3.0) * e;
  e = 1.0 + y * (1.0 / 2.0) * e;
  e = 1.0 + y * e;
  e *= e; e *= e; e *= e; e *= e; e *= e;
  return e * e;
}

static inline double at(const double *t, double u, double w) {
  double b01 = (1.0 - u) * w, b11 = u * w;
  double b00 = (1.0 - u) - b01, b10 = u - b11;
  return b00 * t[0] + b01 * t[PARAMETERS] + b10 * t[ROW] + b11 * t[ROW + PARAMETERS];
}

static inline long place(double soc, double *w) {
  double x = low_of(high_of(soc * (SOCS - 1), 0.0), SOCS - 1.000001);
  long j = (long)x;
  *w = x - j;
  return j * PARAMETERS;
}

/* step: dt charge charge_var current now now_var sign voltage_var rate instant
 * state: soc v1 v2 e h p_ss p_s2 p_sh p_se p_22 p_2h p_2e p_hh p_he p_ee
 * work: capacity factor voltage use temperature doubt | soc ocv m r0 r1 tau1 r2 tau2 std high low high_v low_v
 *       predicted residual */
void ekf(long n, const double *restrict table, const double *restrict step, double *restrict state,
         double *restrict work) {
  const double dt = step[0], charge = step[1], charge_var = step[2], current = step[3], now = step[4];
  const double now_var = step[5], instant = step[6] * step[9], rate = step[8];
  const double voltage_var = step[7] + INNOVATION_MIN_V * INNOVATION_MIN_V;
  const double toward = current > 0.0 ? 1.0 : (current < 0.0 ? -1.0 : 0.0);
  const double resistance_var = now_var + (RESISTANCE_ERROR * current) * (RESISTANCE_ERROR * current);
  const double r0_var = now_var + (RESISTANCE_ERROR * now) * (RESISTANCE_ERROR * now);
#define S(i) double *restrict S##i = state + (i) * n
  S(0); S(1); S(2); S(3); S(4); S(5); S(6); S(7); S(8); S(9); S(10); S(11); S(12); S(13); S(14);
#define W(i) double *restrict W##i = work + (i) * n
  W(0); W(1); W(2); W(3); W(4); W(5); W(6); W(7); W(8); W(9); W(10); W(11); W(12); W(13); W(14); W(15); W(16);
  W(17); W(18); W(19); W(20);

  for (long k = 0; k < n; k++) {
    double soc = low_of(high_of(S0[k] + charge / W0[k], 0.0), 1.0);
    double reach = high_of(sqrt(S5[k]), 0.5 / (SOCS - 1));
    W6[k] = soc;
    W15[k] = low_of(soc + reach, 1.0);
    W16[k] = high_of(soc - reach, 0.0);
  }
  for (long k = 0; k < n; k++) {
    double x = (W4[k] - TEMPERATURE_MIN_C) / TEMPERATURE_STEP_K, w;
    x = low_of(high_of(x, 0.0), TEMPERATURES - 1.000001);
    long i = (long)x;
    double u = x - i;
    const double *row = table + i * ROW;
    const double *t = row + place(W6[k], &w);
    W7[k] = at(t, u, w);
    W8[k] = at(t + 1, u, w);
    W9[k] = at(t + 2, u, w);
    W10[k] = at(t + 3, u, w);
    W11[k] = at(t + 4, u, w);
    W12[k] = at(t + 5, u, w);
    W13[k] = at(t + 6, u, w);
    W14[k] = at(t + 7, u, w);
    t = row + place(W15[k], &w);
    W17[k] = at(t, u, w);
    t = row + place(W16[k], &w);
    W18[k] = at(t, u, w);
  }
#pragma GCC ivdep
  for (long k = 0; k < n; k++) {
    double capacity = W0[k], factor = W1[k], use = W3[k], soc = W6[k], low = W16[k], low_v = W18[k], ocv = W7[k];
    double slope = (W17[k] - low_v) / (W15[k] - low);
    double bend = low_v + slope * (soc - low) - ocv;
    double m = W8[k], r0 = W9[k] * factor, r1 = W10[k] * factor, r2 = W12[k] * factor;
    double model_var = W14[k] * W14[k] * W5[k];
    double tau1 = W11[k];
    double a1 = decay(dt / tau1), a2 = decay(dt / W13[k]);
    double moved = fabs(charge / capacity);
    double ah = decay(moved * rate), ae = decay(dt / ERROR_TIME_S + moved / ERROR_SOC);

    double v1 = (a1 * S1[k] + r1 * (1.0 - a1) * current + FLUSH_V) - FLUSH_V;
    double v2 = (a2 * S2[k] + r2 * (1.0 - a2) * current + FLUSH_V) - FLUSH_V;
    double e = (ae * S3[k] + FLUSH_V) - FLUSH_V;
    double h = (ah * S4[k] + (1.0 - ah) * toward + FLUSH_V) - FLUSH_V;
    double ss = low_of(S5[k] + charge_var / (capacity * capacity), high_of(S5[k], SOC_VAR_MAX));
    double s2 = (a2 * S6[k] + FLUSH_P) - FLUSH_P;
    double sh = (ah * S7[k] + FLUSH_P) - FLUSH_P;
    double se = (ae * S8[k] + FLUSH_P) - FLUSH_P;
    double c22 = a2 * a2 * S9[k] + (1.0 - a2 * a2) * (resistance_var * r2 * r2 + SLOW_SHARE * model_var) + FLUSH_P;
    double c2h = (a2 * ah * S10[k] + FLUSH_P) - FLUSH_P;
    double c2e = (a2 * ae * S11[k] + FLUSH_P) - FLUSH_P;
    double hh = ah * ah * S12[k] + (1.0 - ah * ah) * HYSTERESIS_ERROR * HYSTERESIS_ERROR + FLUSH_P;
    double he = (ah * ae * S13[k] + FLUSH_P) - FLUSH_P;
    double ee = ae * ae * S14[k] + (1.0 - ae * ae) * ERROR_SHARE * model_var + FLUSH_P;

    double g_s = slope * ss + s2 + m * sh + se;
    double g_2 = slope * s2 + c22 + m * c2h + c2e;
    double g_h = slope * sh + c2h + m * hh + he;
    double g_e = slope * se + c2e + m * he + ee;
    double fast_var = resistance_var * r1 * r1 + r0 * r0 * r0_var + FAST_SHARE * model_var;
    double white = 1.0 + 2.0 * tau1 / high_of(dt, 1e-3);
    double r = voltage_var + white * fast_var + bend * bend;
    double s = slope * g_s + g_2 + m * g_h + g_e + r;
    double predicted = ocv + m * h + instant + r0 * now + v1 + v2 + e;
    double residual = use * (W2[k] - predicted);
    double gain = use / s;
    double q = gain * residual * low_of(1.0, CLIP * CLIP * s / (residual * residual + TINY));
    W19[k] = predicted;
    W20[k] = residual;
    S0[k] = low_of(high_of(soc + g_s * q, 0.0), 1.0);
    S1[k] = v1;
    S2[k] = v2 + g_2 * q;
    S3[k] = e + g_e * q;
    S4[k] = low_of(high_of(h + g_h * q, -1.0), 1.0);
    S5[k] = ss - g_s * g_s * gain;
    S6[k] = s2 - g_s * g_2 * gain;
    S7[k] = sh - g_s * g_h * gain;
    S8[k] = se - g_s * g_e * gain;
    S9[k] = c22 - g_2 * g_2 * gain;
    S10[k] = c2h - g_2 * g_h * gain;
    S11[k] = c2e - g_2 * g_e * gain;
    S12[k] = hh - g_h * g_h * gain;
    S13[k] = he - g_h * g_e * gain;
    S14[k] = ee - g_e * g_e * gain;
  }
}

void ekf_many(long times, long n, const double *table, const double *step, double *state, double *work) {
  for (long t = 0; t < times; t++) ekf(n, table, step, state, work);
}
