"""Finds paths in a graph with networkx."""

import networkx

graph = networkx.grid_2d_graph(12, 12)
print(networkx.shortest_path(graph, (0, 0), (11, 7)))
print(networkx.diameter(graph), networkx.is_bipartite(graph), networkx.density(graph))
