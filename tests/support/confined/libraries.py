# SPDX-License-Identifier: Apache-2.0
"""Libraries of analyses at work inside a sandbox; the request says which."""

import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import scipy.stats
import sklearn.ensemble
import sklearn.linear_model
import statsmodels.api as sm

X = np.random.default_rng(1).normal(size=(500, 3))
Y = (X[:, 0] > 0).astype(int)


def use_pandas():
    return pd.DataFrame(X).groupby(Y).mean().shape


def use_polars():
    frame = pl.DataFrame({"group": Y, "value": X[:, 0]})
    return frame.lazy().group_by("group").agg(pl.col("value").mean()).collect().shape


def use_sklearn():
    sklearn.ensemble.RandomForestClassifier(n_jobs=2, n_estimators=5).fit(X, Y)
    return sklearn.linear_model.LogisticRegression().fit(X, Y).coef_.shape


def use_statsmodels():
    return sm.OLS(X[:, 0], X[:, 1:]).fit().params.shape


def use_scipy():
    return bool(scipy.stats.ttest_ind(X[:, 0], X[:, 1]).pvalue < 1)


def use_duckdb():
    return duckdb.connect().execute("SELECT count(*) FROM range(1000000)").fetchone()


def work(answer):
    answer.write(repr(globals()[f"use_{sys.stdin.buffer.read().decode()}"]()).encode())
