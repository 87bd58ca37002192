# SPDX-License-Identifier: Apache-2.0
"""Libraries of analyses at work inside a sandbox; the request says which."""

import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import scipy.stats
import sklearn.cluster
import sklearn.ensemble
import sklearn.linear_model
import sklearn.model_selection
import sklearn.neighbors
import statsmodels.api as sm
import statsmodels.formula.api as smf

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


def use_clusters():
    sklearn.neighbors.NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X)
    return len(sklearn.cluster.KMeans(3, n_init=2, random_state=0).fit(X).cluster_centers_)


def use_processes():
    # There are none to be had; what asks for some goes on with one.
    model = sklearn.linear_model.LogisticRegression()
    return sklearn.model_selection.cross_val_score(model, X, Y, cv=3, n_jobs=2).shape


def use_formulas():
    data = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y, g=np.where(X[:, 1] > 0, "u", "v"))
    model = smf.glm("y ~ b + C(g)", data, family=sm.families.Binomial())
    return model.fit().params.shape


def use_statsmodels():
    return sm.OLS(X[:, 0], X[:, 1:]).fit().params.shape


def use_scipy():
    return bool(scipy.stats.ttest_ind(X[:, 0], X[:, 1]).pvalue < 1)


def use_duckdb():
    return duckdb.connect().execute("SELECT count(*) FROM range(1000000)").fetchone()


def work(answer):
    answer.write(repr(globals()[f"use_{sys.stdin.buffer.read().decode()}"]()).encode())
