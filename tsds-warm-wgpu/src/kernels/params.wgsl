// What every kernel is given: 16 parameters, and its number in a grid of up to two dimensions.

@group(1) @binding(0) var<uniform> params: array<vec4<u32>, 4>;

fn p(i: u32) -> u32 {
    return params[i >> 2u][i & 3u];
}

fn group_number(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.x + id.y * groups.x;
}
