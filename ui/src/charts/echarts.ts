/** Only the parts of ECharts that are used: bars, their axes, tooltip, hatches and the text alternative. */
import { BarChart } from 'echarts/charts'
import { AriaComponent, GridComponent, TooltipComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, GridComponent, TooltipComponent, AriaComponent, SVGRenderer])

export { init }
export type { EChartsType } from 'echarts/core'
